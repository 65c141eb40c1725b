package bench

import (
	"net"
	"sync"
	"time"
)

// link is a slow link to a server: a relay that holds each byte for half of the
// round trip. As it acknowledges locally, the round trip of TCP's own connect
// is not in it.
type link struct {
	listener net.Listener
	target   string
	oneWay   time.Duration
	upward   int // bytes a second that it takes from the client; 0 for all there are
	running  sync.WaitGroup

	mu    sync.Mutex
	ended bool
	conns map[net.Conn]bool
}

// linkQueue is how many reads may be on the way in each direction: enough for
// any window in use here.
const linkQueue = 4096

// modemBuffer is what a link of limited rate has taken and not yet passed on, as
// a modem has: the rest waits in the client's kernel.
const modemBuffer = 32 << 10

func newLink(target string, rtt time.Duration, upward int) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{listener: listener, target: target, oneWay: rtt / 2, upward: upward, conns: map[net.Conn]bool{}}
	l.running.Go(l.accept)
	return l, nil
}

func (l *link) addr() string { return l.listener.Addr().String() }

func (l *link) close() {
	l.listener.Close()
	l.mu.Lock()
	l.ended = true
	for c := range l.conns {
		c.Close()
	}
	l.mu.Unlock()
	l.running.Wait()
}

// keep notes a connection to close at the end; false when that has come.
func (l *link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = true
	return !l.ended
}

func (l *link) drop(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	c.Close()
}

func (l *link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.relay(client) })
	}
}

func (l *link) relay(client net.Conn) {
	defer l.drop(client)
	server, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer l.drop(server)
	if !l.keep(client) || !l.keep(server) {
		return
	}
	if l.upward > 0 {
		if err := client.(*net.TCPConn).SetReadBuffer(modemBuffer); err != nil {
			return
		}
	}
	var both sync.WaitGroup
	both.Go(func() { l.pump(server.(*net.TCPConn), client, l.upward) })
	both.Go(func() { l.pump(client.(*net.TCPConn), server, 0) })
	both.Wait()
}

// packet is what was read at once, and when it is due at the other end.
type packet struct {
	data []byte
	due  time.Time
}

// pump carries one direction, its end included, at a rate if there is one.
func (l *link) pump(to *net.TCPConn, from net.Conn, rate int) {
	queue := make(chan packet, linkQueue)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(queue)
		size := 64 << 10
		if rate > 0 {
			size = modemBuffer / 4
		}
		for {
			buf := make([]byte, size)
			n, err := from.Read(buf)
			if rate > 0 {
				time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
			}
			if n > 0 {
				queue <- packet{buf[:n:n], time.Now().Add(l.oneWay)}
			}
			if err != nil {
				return
			}
		}
	})
	broken := false
	for p := range queue {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil && !broken {
			broken = true
			from.Close()
		}
	}
	time.Sleep(l.oneWay)
	_ = to.CloseWrite()
	reader.Wait()
}
