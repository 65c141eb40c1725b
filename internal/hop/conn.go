package hop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
	"sallyport/internal/identity"
	"sallyport/internal/route"
)

// Conn is a live, authenticated connection to a hop. It is safe for
// concurrent use. It ends by Close, by the peer, or when keepalives stay
// unanswered; Wait tells which.
type Conn struct {
	ssh.Conn
	// config: not changed after newConn
	hop         route.Hop
	via         string
	wire        *wire
	log         *slog.Logger
	fingerprint string
	method      string
	unsafe      error // why its host key is not the known one
	bind        *identity.Binding
	update      *hostKeyUpdate
	idle        *idleWatch
	mayOpen     func() error // nil for always
	opened      time.Time
	rtt         time.Duration // of connecting
	spot        Spot
	alternate   bool // it is at an AlternateAddress
	several     bool // the hop has several addresses
	resting     atomic.Bool
	quickest    atomic.Int64 // round trip that was ever seen
	latest      atomic.Int64 // round trip
	presence    *presence
	tasks       sync.WaitGroup
	updated     sync.Once // host keys are updated once
	closing     chan struct{}
	ended       chan struct{}

	// state: guarded by mu
	mu       sync.Mutex
	closed   bool
	err      error // why it ended
	handlers map[string]func(ssh.NewChannel)
	quiet    func() // OnQuiet's
}

func newConn(h *handshake, c ssh.Conn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) *Conn {
	conn := &Conn{
		Conn: c, hop: h.Hop, via: h.ViaName, wire: h.wire, log: h.log, opened: time.Now(), mayOpen: h.MayOpen,
		rtt: h.rtt, spot: h.attempt.spot(), alternate: h.to.alternate, several: h.several,
		presence: newPresence(h.Via),
		closing:  make(chan struct{}), ended: make(chan struct{}),
		handlers: map[string]func(ssh.NewChannel){},
	}
	if h.rtt > 0 {
		conn.noteRTT(h.rtt)
	}
	if h.keys.key != nil {
		conn.fingerprint = hostkey.Fingerprint(h.keys.key, "sha256")
	}
	conn.idle = newIdleWatch(h.Hop.Options.Session.ChannelTimeout, h.log)
	conn.method, conn.unsafe, conn.bind = h.auth.lastMethod(), h.keys.unsafe, h.bind
	conn.update = &hostKeyUpdate{
		keys: h.keys, mode: h.Hop.Options.HostKey.UpdateHostKeys, algorithms: h.hostKeyAlgorithms,
		sessionID: c.SessionID(), agreed: h.algs.HostKey,
	}
	h.keys.ask = h.Asker // the handshake's clock is over
	conn.tasks.Go(func() { conn.serveChannels(channels) })
	conn.tasks.Go(func() { conn.serveRequests(requests) })
	conn.tasks.Go(conn.keepAlive)
	conn.tasks.Go(conn.rekeyByTime)
	if conn.wire.nudges != nil {
		conn.tasks.Go(conn.nudge)
	}
	if conn.idle != nil {
		conn.tasks.Go(func() { conn.idle.run(conn.closing, conn.tasks.Go) })
	}
	go conn.await()
	return conn
}

// await notes the end of the connection once everything it runs has ended.
func (c *Conn) await() {
	err := libraryError(c.Conn.Wait())
	var damage *CorruptionError
	if errors.As(err, &damage) {
		c.log.Error(damage.What)
	}
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	if !c.closed {
		c.closed = true
		close(c.closing)
	}
	c.mu.Unlock()
	c.tasks.Wait()
	close(c.ended)
}

// Wait blocks until the connection has ended and returns why: an *Error.
func (c *Conn) Wait() error {
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	return &Error{Hop: c.hop.Name, Addr: c.hop.Addr(), Via: c.via, Stage: StageAlive, Err: c.err}
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.ended }

// ErrClosed is what Wait reports after Close.
var ErrClosed = errors.New("closed")

// Close ends the connection at once. It does not wait for a peer.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	return nil
}

// fail ends the connection for a reason of ours.
func (c *Conn) fail(reason error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed, c.err = true, reason
	close(c.closing)
	c.mu.Unlock()
	c.Conn.Close()
}

// RTT is a round trip to the hop, as connecting took it; 0 if it is not known.
func (c *Conn) RTT() time.Duration { return c.rtt }

// Spot is where the hop was reached.
func (c *Conn) Spot() Spot { return c.spot }

// Hop is the endpoint this connection leads to.
func (c *Conn) Hop() route.Hop { return c.hop }

// Bytes counts what the connection carried, as it was on the wire.
func (c *Conn) Bytes() (in, out int64) { return c.wire.in.Load(), c.wire.out.Load() }

// Info describes a connection for people.
type Info struct {
	Address       string    `json:"address"`        // where it was reached, "" for a ProxyCommand
	Alternate     bool      `json:"alternate"`      // that is an AlternateAddress
	Several       bool      `json:"several"`        // the hop has more than one
	ServerVersion string    `json:"server_version"` // identification string
	HostKey       string    `json:"host_key"`       // fingerprint
	AuthMethod    string    `json:"auth_method"`    // the one that succeeded
	KeyExchange   string    `json:"key_exchange"`
	Cipher        string    `json:"cipher"`
	Opened        time.Time `json:"opened"`
}

// Info describes the connection.
func (c *Conn) Info() Info {
	info := Info{
		Address: c.spot.addr, Alternate: c.alternate, Several: c.several,
		ServerVersion: Clean(string(c.ServerVersion())), HostKey: c.fingerprint,
		AuthMethod: c.method, Opened: c.opened,
	}
	if a, ok := c.Conn.(ssh.AlgorithmsConnMetadata); ok {
		info.KeyExchange, info.Cipher = a.Algorithms().KeyExchange, a.Algorithms().Write.Cipher
	}
	return info
}

// HandleChannels has f called for each channel of a type that the server
// opens (RFC 4254 §7.2, "forwarded-tcpip"); nil stops it. f must not block.
func (c *Conn) HandleChannels(channelType string, f func(ssh.NewChannel)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f == nil {
		delete(c.handlers, channelType)
	} else {
		c.handlers[channelType] = f
	}
}

func (c *Conn) serveChannels(in <-chan ssh.NewChannel) {
	warned := false // once: the log is not the server's to fill
	for ch := range in {
		c.mu.Lock()
		f := c.handlers[ch.ChannelType()]
		c.mu.Unlock()
		if f == nil {
			if !warned {
				warned = true
				c.log.Warn("server opened a channel nobody asked for", "type", fmt.Sprintf("%q", cut(ch.ChannelType(), maxSaid)))
			}
			_ = ch.Reject(ssh.UnknownChannelType, "unknown channel type")
			continue
		}
		f(c.idle.accepting(ch))
	}
}

// serveRequests answers the server's global requests, keepalives among them.
func (c *Conn) serveRequests(in <-chan *ssh.Request) {
	offered := false
	for r := range in {
		if r.Type == hostkey.RequestHostKeys && !offered { // one offer, or each would wait for the one before
			offered = true
			offer := r.Payload
			// It makes a request of its own, whose answer must not wait for us.
			c.tasks.Go(func() { c.updateHostKeys(offer) })
		}
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
}

// updateHostKeys acts on the server's offer, the first one only.
func (c *Conn) updateHostKeys(offer []byte) {
	c.updated.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			select {
			case <-c.closing:
				cancel()
			case <-stop:
			}
		}()
		c.update.handle(ctx, c, offer)
	})
}

// BindAgent binds a connection to an agent, which is to be forwarded over this
// connection, so that the agent knows where requests come from. It must be the
// first request there. An agent that does not know the extension goes on
// without it.
func (c *Conn) BindAgent(agent io.ReadWriter) error {
	if c.bind == nil {
		return nil
	}
	err := identity.BindSession(agent, c.bind.HostKey, c.bind.SessionID, c.bind.Signature, true)
	if errors.Is(err, identity.ErrAgentRefused) {
		c.log.Debug("the agent does not bind its connection to the session")
		return nil
	}
	return err
}

// rekeyByTime exchanges keys anew every RekeyLimit interval.
func (c *Conn) rekeyByTime() {
	interval := c.hop.Options.Transport.RekeyInterval
	if interval <= 0 {
		return
	}
	rekey, err := rekeyer(c.Conn)
	if err != nil {
		c.log.Warn("keys are not renewed by time", "err", err)
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-c.closing:
			return
		case <-ticker.C:
			rekey()
		}
	}
}

// keepalive is the global request that servers answer with a refusal.
const keepalive = "keepalive@openssh.com"

// Ping makes a round trip and returns its time. The error is ctx's when it
// ended first, which leaves the connection as it is.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	done := make(chan error, 1)
	// SendRequest is not bounded by anything but the end of the connection.
	go func() {
		_, _, err := c.SendRequest(keepalive, true, nil)
		done <- err
	}()
	select {
	case err := <-done:
		took := time.Since(start)
		if err == nil {
			c.noteRTT(took)
		}
		return took, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
