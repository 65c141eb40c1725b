package sshtest

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Peer is a server that does not do what a client hopes for. It ends with the
// test.
type Peer struct {
	// Addr is where it listens, "127.0.0.1:port".
	Addr string

	serve    func(net.Conn)
	listener net.Listener
	running  sync.WaitGroup

	// state: guarded by mu
	mu     sync.Mutex
	closed bool
	open   map[net.Conn]bool
	count  int
}

// NewPeer serves each connection by serve, in a goroutine of its own, and
// closes it when serve returns. At the end of the test all are closed, and
// serve must return then.
func NewPeer(t testing.TB, serve func(net.Conn)) *Peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Peer{Addr: l.Addr().String(), serve: serve, listener: l, open: make(map[net.Conn]bool)}
	t.Cleanup(p.close)
	p.running.Go(p.acceptAll)
	return p
}

func (p *Peer) acceptAll() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		if !p.add(c) {
			c.Close()
			return
		}
		p.running.Go(func() {
			defer p.remove(c)
			p.serve(c)
		})
	}
}

func (p *Peer) add(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	p.open[c] = true
	return !p.closed
}

func (p *Peer) remove(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

func (p *Peer) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

// Connections is the number of connections accepted so far.
func (p *Peer) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// Open is the number of connections that neither side has closed.
func (p *Peer) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// SilentPeer accepts and says nothing. It reads what the client sends, until
// the client closes.
func SilentPeer(t testing.TB) *Peer {
	t.Helper()
	return NewPeer(t, func(c net.Conn) { io.Copy(io.Discard, c) })
}

// GarbagePeer sends data, then waits for the client to close.
func GarbagePeer(t testing.TB, data []byte) *Peer {
	t.Helper()
	return NewPeer(t, func(c net.Conn) {
		c.Write(data)
		io.Copy(io.Discard, c)
	})
}

// EndlessPeer sends data over and over for as long as the client takes it.
func EndlessPeer(t testing.TB, data []byte) *Peer {
	t.Helper()
	return NewPeer(t, func(c net.Conn) {
		for {
			if _, err := c.Write(data); err != nil {
				return
			}
		}
	})
}

// banner is an identification string, RFC 4253 §4.2.
const banner = "SSH-2.0-Sshtest\r\n"

// SilentAfterBanner identifies itself as an SSH server and then says nothing.
func SilentAfterBanner(t testing.TB) *Peer {
	t.Helper()
	return GarbagePeer(t, []byte(banner))
}

// ResetAfterBanner identifies itself as an SSH server and resets the connection
// as soon as the client says something.
func ResetAfterBanner(t testing.TB) *Peer {
	t.Helper()
	return NewPeer(t, func(c net.Conn) {
		io.WriteString(c, banner)
		c.Read(make([]byte, 1))
		resetConn(c)
	})
}

// resetConn closes a connection so that the other side sees a reset.
func resetConn(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}

// BlackHole is an address that does not answer: a connection to it is neither
// made nor refused, so connecting ends by the caller's timeout only. It is a
// listener whose backlog is full, which makes Linux drop what comes.
func BlackHole(t testing.TB) string {
	t.Helper()
	r := reservePort(t, "127.0.0.1")
	lc := net.ListenConfig{}
	l, err := lc.Listen(context.Background(), "tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	shrinkBacklog(t, l.(*net.TCPListener))
	for range 100 {
		c, err := net.DialTimeout("tcp", r.addr, 200*time.Millisecond)
		if err != nil {
			return r.addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the kernel does not drop connections to a full backlog")
	return ""
}

// shrinkBacklog lets the listener hold one connection that is not accepted.
// listen(2) on a listening socket only changes its backlog.
func shrinkBacklog(t testing.TB, l *net.TCPListener) {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var listenErr error
	if err := raw.Control(func(fd uintptr) { listenErr = unix.Listen(int(fd), 0) }); err != nil {
		t.Fatal(err)
	}
	if listenErr != nil {
		t.Fatal(listenErr)
	}
}
