package sshtest

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// proxyChunk is how much a proxy reads at a time.
	proxyChunk = 32 << 10
	// proxyQueue is how many chunks may be on the way in each direction.
	proxyQueue = 1024
)

// Proxy is a TCP relay in front of a server, which can delay, stall, reset and
// corrupt. As it acknowledges locally, it hides the round trip of the TCP
// connect, and the server's Nagle stalls.
type Proxy struct {
	// Addr is where clients connect, "127.0.0.1:port".
	Addr string

	peer   *Peer
	target string
	flips  atomic.Int64 // bytes from the server until one is corrupted; 0 means never
	passed atomic.Int64

	// state: guarded by mu
	mu      sync.Mutex
	delay   time.Duration
	stalled chan struct{} // nil when data flows; closed by Resume
	links   map[*link]bool
	ended   chan struct{}
}

// link is one client's connection and the one to the server.
type link struct {
	client, server net.Conn
	done           chan struct{} // closed when the link is torn
	swallowed      atomic.Bool
	tear           sync.Once
}

// NewProxy relays connections to target, "host:port", until the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	p := &Proxy{target: target, links: make(map[*link]bool), ended: make(chan struct{})}
	p.peer = NewPeer(t, p.relay)
	p.Addr = p.peer.Addr
	t.Cleanup(func() { close(p.ended) }) // before the peer waits for its relays
	return p
}

// Delay makes each byte from now on take rtt/2 in each direction.
func (p *Proxy) Delay(rtt time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = rtt / 2
}

// Stall makes a black hole of the way: nothing is read nor passed on, and
// connections stay open. New ones are accepted and hear nothing.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled == nil {
		p.stalled = make(chan struct{})
	}
}

// Resume ends Stall. Nothing is lost.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled != nil {
		close(p.stalled)
		p.stalled = nil
	}
}

// Swallow makes a black hole of each live connection: what is sent over it, in
// either direction, its end included, is lost. New connections work.
func (p *Proxy) Swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.swallowed.Store(true)
	}
}

// Reset ends the live connections, with a reset to both sides.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.close(resetConn)
	}
}

// FlipBit corrupts one bit of one byte: the after-th from now on, counted from
// 1, that comes from the server.
func (p *Proxy) FlipBit(after int) { p.flips.Store(int64(after)) }

// Connections is the number of connections accepted so far.
func (p *Proxy) Connections() int { return p.peer.Connections() }

// Bytes is the number of bytes passed on so far, both ways together.
func (p *Proxy) Bytes() int64 { return p.passed.Load() }

func (l *link) close(how func(net.Conn)) {
	l.tear.Do(func() {
		close(l.done)
		how(l.client)
		how(l.server)
	})
}

func (p *Proxy) relay(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		resetConn(client)
		return
	}
	l := &link{client: client, server: server, done: make(chan struct{})}
	p.mu.Lock()
	p.links[l] = true
	p.mu.Unlock()
	defer func() {
		l.close(func(c net.Conn) { c.Close() })
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	var both sync.WaitGroup
	both.Go(func() { p.pump(l, server, client, false) })
	both.Go(func() { p.pump(l, client, server, true) })
	finished := make(chan struct{})
	go func() {
		both.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-p.ended:
		l.close(func(c net.Conn) { c.Close() })
		<-finished
	}
}

// chunk is data on its way. The last one of a direction is empty.
type chunk struct {
	data []byte
	due  time.Time
}

// pump moves one direction: it reads, and beside it deliver writes when the
// time has come.
func (p *Proxy) pump(l *link, to, from net.Conn, fromServer bool) {
	queue := make(chan chunk, proxyQueue)
	var writer sync.WaitGroup
	writer.Go(func() { p.deliver(l, to, queue) })
	defer writer.Wait()
	defer close(queue)
	for {
		buf := make([]byte, proxyChunk)
		if !p.flowing(l) {
			return
		}
		n, err := from.Read(buf)
		if n > 0 {
			if fromServer {
				p.corrupt(buf[:n])
			}
			if !send(l, queue, chunk{buf[:n], time.Now().Add(p.oneWay())}) {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				l.close(resetConn)
			}
			send(l, queue, chunk{nil, time.Now().Add(p.oneWay())})
			return
		}
	}
}

func send(l *link, queue chan<- chunk, c chunk) bool {
	select {
	case queue <- c:
		return true
	case <-l.done:
		return false
	}
}

// deliver writes each chunk at its time, and passes on the end of data.
func (p *Proxy) deliver(l *link, to net.Conn, queue <-chan chunk) {
	for c := range queue {
		if !wait(l, c.due) || !p.flowing(l) {
			continue // torn: empty the queue
		}
		if l.swallowed.Load() {
			continue
		}
		if len(c.data) == 0 {
			if t, ok := to.(*net.TCPConn); ok {
				t.CloseWrite()
			}
			continue
		}
		if _, err := to.Write(c.data); err != nil {
			l.close(resetConn)
		}
		p.passed.Add(int64(len(c.data)))
	}
}

// wait returns at the time due, or with false when the link is torn.
func wait(l *link, due time.Time) bool {
	d := time.Until(due)
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.done:
		return false
	}
}

func (p *Proxy) oneWay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delay
}

// flowing waits while the proxy is stalled. It is false when the link is torn.
func (p *Proxy) flowing(l *link) bool {
	p.mu.Lock()
	stalled := p.stalled
	p.mu.Unlock()
	if stalled == nil {
		return true
	}
	select {
	case <-stalled:
		return true
	case <-l.done:
		return false
	}
}

func (p *Proxy) corrupt(data []byte) {
	left := p.flips.Load()
	if left <= 0 {
		return
	}
	if left <= int64(len(data)) {
		data[left-1] ^= 0x10
	}
	p.flips.Add(-min(left, int64(len(data))))
}
