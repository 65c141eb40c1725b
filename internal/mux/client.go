package mux

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// A Client speaks a passenger's end of the protocol to a master, ours or
// OpenSSH's. Its methods may be called from several goroutines; requests go
// one at a time. A ctx that ends during a request breaks the connection. After
// Session, StdioForward or Proxy succeeded, the connection is theirs and no
// other request may be made.
type Client struct {
	// config: not changed after NewClient
	c          *packetConn
	extensions []string

	// state: guarded by mu
	mu sync.Mutex
	id uint32 // of the next request
}

// NewClient exchanges greetings on conn, which then belongs to the Client; it
// is closed when the exchange fails. ctx bounds the exchange.
func NewClient(ctx context.Context, conn *net.UnixConn) (*Client, error) {
	c := &Client{c: &packetConn{conn: conn}}
	stop := c.interruptible(ctx)
	defer stop()
	err := c.hello()
	if err != nil {
		conn.Close()
		return nil, ctxError(ctx, err)
	}
	return c, nil
}

func (c *Client) hello() error {
	if err := c.c.write(newEncoder(msgHello).uint32(Version).packet()); err != nil {
		return err
	}
	body, err := c.c.readPacket()
	if err != nil {
		return lost(err)
	}
	c.extensions, err = decodeHello(body)
	return err
}

// Close ends the connection, and with it a session or a proxy.
func (c *Client) Close() error { return c.c.conn.Close() }

// Has reports whether the master announced an extension, such as "info".
func (c *Client) Has(extension string) bool { return slices.Contains(c.extensions, extension) }

// Alive returns the master's process id, the one that SIGWINCH is relayed to.
func (c *Client) Alive(ctx context.Context) (pid uint32, err error) {
	err = c.call(ctx, call{
		name: "check master",
		send: func(id uint32) error { return c.c.write(newEncoder(reqAlive).uint32(id).packet()) },
		want: repAlive,
		read: func(d *decoder) { pid = d.uint32() },
	})
	return pid, err
}

// Terminate asks the master to end at once. A master that is gone before it
// answered has done so.
func (c *Client) Terminate(ctx context.Context) error {
	err := c.simple(ctx, "stop master", newSimple(reqTerminate))
	if isLost(err) && ctx.Err() == nil {
		return nil
	}
	return err
}

// StopListening asks the master to remove its socket and to end with its last
// channel.
func (c *Client) StopListening(ctx context.Context) error {
	return c.simple(ctx, "stop listening", newSimple(reqStopListening))
}

// OpenForward asks for f; port is the allocated one for a remote forward with
// port 0, else 0.
func (c *Client) OpenForward(ctx context.Context, f Forward) (port uint32, err error) {
	want := uint32(repOK)
	if f.Kind == ForwardRemote && f.ListenPath == "" && f.ListenPort == 0 {
		want = repRemotePort
	}
	err = c.call(ctx, call{
		name: "open forward " + f.String(),
		send: func(id uint32) error { return c.c.write(f.encode(reqOpenForward, id)) },
		want: want,
		read: func(d *decoder) {
			if want == repRemotePort {
				port = d.uint32()
			}
		},
	})
	return port, err
}

// CloseForward cancels the forward that equals f, port 0 included.
func (c *Client) CloseForward(ctx context.Context, f Forward) error {
	return c.simple(ctx, "close forward "+f.String(), func(id uint32) []byte {
		return f.encode(reqCloseForward, id)
	})
}

// Info asks for a text about "connection" or "channels". Masters without the
// extension "info" answer a RequestError.
func (c *Client) Info(ctx context.Context, name string) (string, error) {
	var status uint32
	var text string
	err := c.call(ctx, call{
		name: "ask about " + name,
		send: func(id uint32) error {
			return c.c.write(newEncoder(reqInfo).uint32(id).string(name).packet())
		},
		want: repInfo,
		read: func(d *decoder) { status, text = d.uint32(), d.string() },
	})
	if err == nil && status == 0 {
		return "", &RequestError{Request: "ask about " + name, Reason: text}
	}
	return text, err
}

func newSimple(kind uint32) func(id uint32) []byte {
	return func(id uint32) []byte { return newEncoder(kind).uint32(id).packet() }
}

// simple makes a request whose answer is OK.
func (c *Client) simple(ctx context.Context, name string, packet func(id uint32) []byte) error {
	return c.call(ctx, call{
		name: name,
		send: func(id uint32) error { return c.c.write(packet(id)) },
		want: repOK,
		read: func(*decoder) {},
	})
}

// A call is one request and its reply.
type call struct {
	name string                // for errors
	send func(id uint32) error // writes the request, descriptors included
	want uint32                // type of the good reply
	read func(d *decoder)      // takes what follows the request id off it
}

// call makes one request and waits for its reply.
func (c *Client) call(ctx context.Context, do call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	stop := c.interruptible(ctx)
	defer stop()
	id := c.id
	c.id++
	if err := do.send(id); err != nil {
		return ctxError(ctx, fmt.Errorf("%s: %w", do.name, lost(err)))
	}
	body, err := c.c.readPacket()
	if err != nil {
		return ctxError(ctx, fmt.Errorf("%s: %w", do.name, lost(err)))
	}
	d := &decoder{b: body}
	kind, gotID := d.uint32(), d.uint32()
	switch {
	case d.err != nil:
		return protocolErrorf("%s: reply: %v", do.name, d.err)
	case gotID != id:
		return protocolErrorf("%s: reply to request %d instead of %d", do.name, gotID, id)
	case kind == repFailure, kind == repDenied:
		return &RequestError{Request: do.name, Denied: kind == repDenied, Reason: d.string()}
	case kind != do.want:
		return protocolErrorf("%s: reply of type %#x", do.name, kind)
	}
	if do.read(d); d.err != nil {
		return protocolErrorf("%s: reply: %v", do.name, d.err)
	}
	return nil
}

// interruptible breaks the connection when ctx ends before stop is called.
func (c *Client) interruptible(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		c.c.interrupt()
		_ = c.c.conn.SetWriteDeadline(time.Unix(1, 0))
	})
}
