//go:build unix

package lab

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// loginGrace bounds a handshake with its authentication, prompts included.
const loginGrace = 2 * time.Minute

// Hop is one host of the network, with what it has seen so far.
type Hop struct {
	// Name is the host's alias in the config.
	Name string
	// Addr is where it listens, "127.0.0.1:port".
	Addr string

	counts *counts
}

// counts are a host's totals since the start.
type counts struct {
	connections, logins, sessions, forwards atomic.Int64
}

// Connections is the number of TCP connections the hop took, whether or not
// they logged in. Connections it turned away are not counted.
func (h Hop) Connections() int { return int(h.counts.connections.Load()) }

// Logins is the number of authentications that succeeded.
func (h Hop) Logins() int { return int(h.counts.logins.Load()) }

// Sessions is the number of sessions the hop opened.
func (h Hop) Sessions() int { return int(h.counts.sessions.Load()) }

// Forwards is the number of connections the hop forwarded.
func (h Hop) Forwards() int { return int(h.counts.forwards.Load()) }

// host is one SSH server: a jump host when it has routes, a target when it has
// a shell.
type host struct {
	// config: not changed after start
	name    string
	addr    string
	log     *slog.Logger
	hostKey ssh.Signer
	userKey ssh.PublicKey
	code    string            // second factor, "" for none
	behind  *host             // the only host that may connect, nil for anybody
	routes  map[string]string // "name:port" as clients ask for it, to the address dialled
	shell   string
	home    string

	listener net.Listener
	counts   counts
	running  sync.WaitGroup

	// state: guarded by mu
	mu      sync.Mutex
	stopped bool
	open    map[net.Conn]bool
	dialled map[string]bool // local addresses of connections made to the hosts behind
}

// newHost makes a host's keys and its listener; it does not serve yet.
func newHost(dir, name string, log *slog.Logger) (*host, error) {
	h := &host{
		name: name, log: log.With("hop", name),
		routes:  make(map[string]string),
		open:    make(map[net.Conn]bool),
		dialled: make(map[string]bool),
	}
	var err error
	if _, h.hostKey, err = newKey(); err != nil {
		return nil, fmt.Errorf("host key of %s: %w", name, err)
	}
	if h.userKey, err = newUserKey(filepath.Join(dir, name+".key")); err != nil {
		return nil, fmt.Errorf("user key for %s: %w", name, err)
	}
	if h.listener, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	h.addr = h.listener.Addr().String()
	return h, nil
}

func (h *host) start() {
	h.running.Go(h.acceptAll)
}

// stop closes the listener and every connection, which ends what runs on them.
func (h *host) stop() {
	h.listener.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	for c := range h.open {
		c.Close()
	}
}

// track notes a connection that stop has to close. It is false when stop has
// been called already.
func (h *host) track(c net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped {
		h.open[c] = true
	}
	return !h.stopped
}

func (h *host) untrack(c net.Conn) {
	c.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, c)
}

func (h *host) acceptAll() {
	for {
		c, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.running.Go(func() { h.serve(c) })
	}
}

// serve turns away a connection that did not come from the host in front of
// this one, and otherwise serves it to its end.
func (h *host) serve(c net.Conn) {
	if h.behind != nil && !h.behind.made(c.RemoteAddr()) {
		h.log.Info("connection refused", "peer", c.RemoteAddr().String())
		reset(c)
		return
	}
	if !h.track(c) {
		c.Close()
		return
	}
	defer h.untrack(c)
	h.counts.connections.Add(1)
	if err := h.serveSSH(c); err != nil {
		h.log.Info("connection ended", "err", err)
	}
}

// reset closes a connection so that its peer sees a reset, as from a firewall.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}

func (h *host) serveSSH(c net.Conn) error {
	c.SetDeadline(time.Now().Add(loginGrace))
	conn, channels, requests, err := ssh.NewServerConn(c, h.serverConfig())
	if err != nil {
		return err
	}
	c.SetDeadline(time.Time{})
	h.counts.logins.Add(1)
	h.log.Info("logged in", "user", conn.User())
	var all sync.WaitGroup
	all.Go(func() { ssh.DiscardRequests(requests) })
	for ch := range channels {
		all.Go(func() { h.openChannel(ch) })
	}
	all.Wait()
	return nil
}

// openChannel serves one channel to its end, or refuses it.
func (h *host) openChannel(ch ssh.NewChannel) {
	switch {
	case ch.ChannelType() == "direct-tcpip":
		h.forward(ch)
	case ch.ChannelType() == "session" && h.shell != "":
		h.runSession(ch)
	case ch.ChannelType() == "session":
		ch.Reject(ssh.Prohibited, h.name+" only routes, it runs no sessions")
	default:
		ch.Reject(ssh.UnknownChannelType, fmt.Sprintf("unknown channel type %q", ch.ChannelType()))
	}
}
