package mux

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

// A loopUpstream has channels that send back what they get, needs no server
// and refuses the kind "refused".
type loopUpstream struct {
	done chan struct{}                                    // nil for a connection that stays
	open func() (ssh.Channel, <-chan *ssh.Request, error) // newLoopChannel when nil

	mu     sync.Mutex
	accept func(ssh.NewChannel)
	closed bool
}

func (u *loopUpstream) OpenChannel(_ context.Context, kind string, _ []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	if kind == "refused" {
		return nil, nil, &ssh.OpenChannelError{Reason: ssh.Prohibited, Message: "by law"}
	}
	if u.open != nil {
		return u.open()
	}
	return newLoopChannel()
}

func (u *loopUpstream) Listen(_ context.Context, l RemoteListen, accept func(ssh.NewChannel)) (uint32, func() error, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.accept = accept
	return 4711, func() error { return nil }, nil
}

func (u *loopUpstream) Done() <-chan struct{} { return u.done }

func (u *loopUpstream) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return errors.New("closed twice")
	}
	u.closed = true
	return nil
}

type loopChannel struct {
	r    *io.PipeReader
	w    *io.PipeWriter
	reqs chan *ssh.Request
	once sync.Once
}

func newLoopChannel() (ssh.Channel, <-chan *ssh.Request, error) {
	c := &loopChannel{reqs: make(chan *ssh.Request)}
	c.r, c.w = io.Pipe()
	return c, c.reqs, nil
}

func (c *loopChannel) Read(b []byte) (int, error)  { return c.r.Read(b) }
func (c *loopChannel) Write(b []byte) (int, error) { return c.w.Write(b) }
func (c *loopChannel) CloseWrite() error           { return c.w.Close() }
func (c *loopChannel) Stderr() io.ReadWriter       { return noStderr{} }

func (c *loopChannel) SendRequest(name string, _ bool, _ []byte) (bool, error) {
	return name == "yes", nil
}

func (c *loopChannel) Close() error {
	c.once.Do(func() {
		c.w.Close()
		c.r.Close()
		close(c.reqs)
	})
	return nil
}

type noStderr struct{}

func (noStderr) Read([]byte) (int, error)    { return 0, io.EOF }
func (noStderr) Write(b []byte) (int, error) { return len(b), nil }

// serveTestProxy serves a proxy client on a loopUpstream.
func serveTestProxy(t testing.TB) (client *net.UnixConn, wait func() error) {
	t.Helper()
	ours, theirs := socketPair(t)
	up := new(loopUpstream)
	result := make(chan error, 1)
	go func() { result <- serveProxy(context.Background(), ours, up, slog.New(slog.DiscardHandler)) }()
	return theirs, func() error {
		select {
		case err := <-result:
			return err
		case <-time.After(testTimeout):
			t.Fatal("serveProxy does not return")
			return nil
		}
	}
}

const (
	// channel 5 of the client, window 0x10, packets of 0x1000 bytes
	proxyOpen      = "00000017 00 5a 00000004 'loop' 00000005 00000010 00001000 00"
	proxyConfirmed = "00000012 00 5b 00000005 00000000 00040000 00008000"
)

var proxySeeds = []string{
	proxyOpen + " 0000000d 00 5e 00000000 00000003 'abc'",
	proxyOpen + " 00000006 00 60 00000000 00000006 00 61 00000000",
	proxyOpen + " 0000000e 00 62 00000000 00000003 'yes' 01",
	"0000001e 00 50 0000000d 'tcpip-forward' 01 00000000 00000000",
	"00000002 00 01",
}

// TestProxyGolden plays a client by bytes. The proxy's answers on one channel
// come in a fixed order; so do replies to global requests.
func TestProxyGolden(t *testing.T) {
	conn, wait := serveTestProxy(t)
	for _, s := range []struct{ name, send, want string }{
		{"open", proxyOpen, proxyConfirmed},
		{"data and its echo", "0000000d 00 5e 00000000 00000003 'abc'", "0000000d 00 5e 00000005 00000003 'abc'"},
		{"request granted", "0000000e 00 62 00000000 00000003 'yes' 01", "00000006 00 63 00000005"},
		{"request refused", "0000000d 00 62 00000000 00000002 'no' 01", "00000006 00 64 00000005"},
		{"agent refused", "00000025 00 62 00000000 0000001a 'auth-agent-req@openssh.com' 01", "00000006 00 64 00000005"},
		{"no more than the window", "00000019 00 5e 00000000 0000000f '0123456789abcde'", "00000017 00 5e 00000005 0000000d '0123456789abc'"},
		{"window", "0000000a 00 5d 00000000 00000001", "0000000b 00 5e 00000005 00000001 'd'"},
		{"more window", "0000000a 00 5d 00000000 00000100", "0000000b 00 5e 00000005 00000001 'e'"},
		{"refused open", "0000001a 00 5a 00000007 'refused' 00000006 00000010 00001000 00",
			"00000018 00 5c 00000006 00000001 00000006 'by' 20 'law' 00000000"},
		{"listen", "0000001c 00 50 0000000d 'tcpip-forward' 01 00000000 00000000", "00000006 00 51 00001267"},
		{"listen again", "0000001c 00 50 0000000d 'tcpip-forward' 01 00000000 00001267", "00000005 00 52 000000"},
		{"cancel", "00000023 00 50 00000014 'cancel-tcpip-forward' 01 00000000 00001267", "00000005 00 51 000000"},
		{"keepalive", "0000001c 00 50 00000015 'keepalive@openssh.com' 01", "00000005 00 52 000000"},
		{"end", "00000006 00 60 00000000", "00000006 00 60 00000005"},
	} {
		b := unhex(t, s.send)
		b[3] = byte(len(b) - 4) // the first packet's length, which is the only one
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
		want := unhex(t, s.want)
		want[3] = byte(len(want) - 4)
		expect(t, conn, s.name, want)
	}
	if _, err := conn.Write(unhex(t, "00000006 00 61 00000000")); err != nil {
		t.Fatal(err)
	}
	expect(t, conn, "close", unhex(t, "00000006 00 61 00000005"))
	if _, err := conn.Write(unhex(t, "00000002 00 01")); err != nil {
		t.Fatal(err)
	}
	if err := wait(); err != nil {
		t.Error(err)
	}
}

func TestProxyHostile(t *testing.T) {
	big := "00008009 00 5e 00000000 00008000 " + strings.Repeat("00", 0x8000)
	for name, send := range map[string]string{
		"4 GiB":                  "ffffffff",
		"empty":                  "00000000",
		"no type":                "00000001 00",
		"padding":                "00000006 04 60 00000000",
		"half a packet":          "00000006 00 60",
		"key exchange":           "00000002 00 14",
		"unknown channel":        "00000006 00 60 00000009",
		"open cut short":         "00000006 00 5a 00000004",
		"packets of no size":     "00000017 00 5a 00000004 'loop' 00000005 00000010 00000000 00",
		"global cut short":       "00000004 00 50 0000",
		"data after the end":     proxyOpen + " 00000006 00 60 00000000 0000000d 00 5e 00000000 00000003 'abc'",
		"words after the close":  proxyOpen + " 00000006 00 61 00000000 00000006 00 60 00000000",
		"window overflow":        proxyOpen + " 0000000a 00 5d 00000000 ffffffff",
		"reply to nothing":       proxyOpen + " 00000006 00 63 00000000",
		"confirmation of ours":   proxyOpen + " 00000012 00 5b 00000000 00000000 00040000 00008000",
		"data beyond the window": proxyOpen + strings.Repeat(" "+big, 20),
		"endless requests": proxyOpen + strings.Repeat(" 00008006 00 62 00000000"+
			" 00007ffb 00"+strings.Repeat("00", 0x7ffb-1), 100),
	} {
		conn, wait := serveTestProxy(t)
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		_, _ = conn.Write(unhex(t, send))
		_ = conn.CloseWrite()
		var bad *ProtocolError
		if err := wait(); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close()
	}
}

// A server's channel that the client declines, and one that comes too late.
func TestProxyOffers(t *testing.T) {
	ours, theirs := socketPair(t)
	up := new(loopUpstream)
	done := make(chan error, 1)
	go func() { done <- serveProxy(context.Background(), ours, up, slog.New(slog.DiscardHandler)) }()
	listen := unhex(t, "00000000 00 50 0000000d 'tcpip-forward' 01 00000000 00000000")
	listen[3] = byte(len(listen) - 4)
	_, _ = theirs.Write(listen)
	expect(t, theirs, "listen", unhex(t, "00000006 00 51 00001267"))
	up.mu.Lock()
	accept := up.accept
	up.mu.Unlock()

	nc := &testNewChannel{rejected: make(chan string, 1)}
	accept(nc)
	expect(t, theirs, "offer", unhex(t, "00000018 00 5a 00000003 'fwd' 00000000 00040000 00008000 'xyz'"))
	_, _ = theirs.Write(unhex(t, "00000014 00 5c 00000000 00000002 00000002 'no' 00000000"))
	if got := <-nc.rejected; got != "no" {
		t.Errorf("rejected with %q", got)
	}
	theirs.Close()
	if err := <-done; err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	accept(nc)
	<-nc.rejected
}

type testNewChannel struct{ rejected chan string }

func (c *testNewChannel) Accept() (ssh.Channel, <-chan *ssh.Request, error) { return newLoopChannel() }
func (c *testNewChannel) Reject(_ ssh.RejectionReason, message string) error {
	c.rejected <- message
	return nil
}
func (c *testNewChannel) ChannelType() string { return "fwd" }
func (c *testNewChannel) ExtraData() []byte   { return []byte("xyz") }

// The loss of the shared connection drops an idle client.
func TestProxyUpstreamLost(t *testing.T) {
	ours, theirs := socketPair(t)
	up := &loopUpstream{done: make(chan struct{})}
	result := make(chan error, 1)
	go func() { result <- serveProxy(context.Background(), ours, up, slog.New(slog.DiscardHandler)) }()
	close(up.done)
	expectEnd(t, theirs, "after the loss")
	if err := <-result; err != nil && !hasLeft(err) {
		t.Error(err)
	}
}

// stuckChannel takes no data.
type stuckChannel struct {
	*loopChannel
	ctx    context.Context
	closed context.CancelFunc
}

func (c stuckChannel) Write(b []byte) (int, error) { <-c.ctx.Done(); return 0, io.EOF }
func (c stuckChannel) Close() error                { c.closed(); return c.loopChannel.Close() }

// A client's close gets through in the end to a server that takes no data.
func TestProxyCloseGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		up := &loopUpstream{open: func() (ssh.Channel, <-chan *ssh.Request, error) {
			ch, reqs, err := newLoopChannel()
			ctx, closed := context.WithCancel(context.Background())
			return stuckChannel{ch.(*loopChannel), ctx, closed}, reqs, err
		}}
		result := make(chan error, 1)
		go func() { result <- serveProxy(t.Context(), ours, up, slog.New(slog.DiscardHandler)) }()
		start := time.Now()
		_, _ = theirs.Write(unhex(t, proxyOpen))
		expect(t, theirs, "open", unhex(t, proxyConfirmed))
		_, _ = theirs.Write(unhex(t, "0000000d 00 5e 00000000 00000003 'abc' 00000006 00 61 00000000"))
		expect(t, theirs, "close", unhex(t, "00000006 00 60 00000005 00000006 00 61 00000005"))
		if waited := time.Since(start); waited != closeGrace {
			t.Errorf("closed after %v", waited)
		}
		theirs.Close()
		<-result
	})
}
