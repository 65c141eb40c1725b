package hop

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// What a server sends in bulk fills its channel's window, 2 MiB, and all of that
// is ahead of the echo of a key that is typed meanwhile. So while somebody types
// bulk is read only as fast as keeps the window at what the path needs: the
// server has less under way then, and is no slower for it.
const (
	// typing is how long after a key somebody is taken to go on.
	typing = 3 * time.Second
	// leastWindow is what a server may always have under way.
	leastWindow = 192 << 10
	// ampleWindow is what it may have for each byte that the path holds at
	// the rate of the bulk: half as much again, so that a rate that has been
	// held down rises until the path is full.
	ampleWindow = 1.5
	// bulkRead is what a reader of bulk reads at a time, at least.
	bulkRead = 16 << 10
	// paceLook is how long a reader waits before it looks again, and
	// paceQuiet after what silence it takes all there is: the server may have
	// sent its last.
	paceLook  = 200 * time.Microsecond
	paceQuiet = 5 * time.Millisecond
	// rateOver is what time a rate is measured over.
	rateOver = 100 * time.Millisecond
)

// presence is whether somebody types at the far end of anything that runs
// through one first hop.
type presence struct {
	born time.Time
	last atomic.Int64 // when a key was typed last, since born; 0 for never
}

func newPresence(via Opener) *presence {
	if c, ok := via.(*Conn); ok {
		return c.presence
	}
	return &presence{born: time.Now()}
}

func (p *presence) note() { p.last.Store(max(int64(time.Since(p.born)), 1)) }

func (p *presence) isTyping() bool {
	last := p.last.Load()
	return last != 0 && time.Since(p.born)-time.Duration(last) < typing
}

// Typed notes that a person types into a terminal over this connection: for a
// while his echoes go before what other channels have in bulk.
func (c *Conn) Typed() { c.presence.note() }

// noteRTT learns a round trip: the quickest is what the path takes when nothing
// else is under way.
func (c *Conn) noteRTT(rtt time.Duration) {
	c.latest.Store(int64(rtt))
	for {
		known := c.quickest.Load()
		if known != 0 && known <= int64(rtt) || c.quickest.CompareAndSwap(known, int64(rtt)) {
			return
		}
	}
}

// LastRTT is the last round trip that was seen, of a channel's opening or a
// Ping; 0 for none.
func (c *Conn) LastRTT() time.Duration { return time.Duration(c.latest.Load()) }

// paced is a channel that is read slowly while somebody types.
type paced struct {
	ssh.Channel
	conn   *Conn
	window func() int // what the server may still send

	// of the reader alone
	since time.Time // when bytes began to be counted
	bytes int
	rate  float64 // a second
}

// pace makes a channel paced; as it is when the library has its window
// elsewhere.
func (c *Conn) pace(ch ssh.Channel) ssh.Channel {
	window := windowOf(ch)
	if window == nil {
		return ch
	}
	return &paced{Channel: ch, conn: c, window: window}
}

// Read is ssh.Channel's.
func (p *paced) Read(b []byte) (int, error) {
	if len(b) < bulkRead {
		return p.Channel.Read(b)
	}
	if p.conn.presence.isTyping() {
		b = b[:min(p.room(), len(b))]
	}
	n, err := p.Channel.Read(b)
	p.count(n)
	return n, err
}

// room waits until something may be read, and is how much.
func (p *paced) room() int {
	limit := p.limit()
	before, since := p.window(), time.Now()
	for p.conn.presence.isTyping() {
		left := p.window()
		if room := limit - left; room >= limit/4 { // not a packet's worth each time
			return room
		}
		switch {
		case left != before:
			before, since = left, time.Now()
		case time.Since(since) > paceQuiet:
			return math.MaxInt
		}
		time.Sleep(paceLook)
	}
	return math.MaxInt
}

// limit is the window that the path needs.
func (p *paced) limit() int {
	return max(leastWindow, int(ampleWindow*p.rate*time.Duration(p.conn.quickest.Load()).Seconds()))
}

// count measures the rate.
func (p *paced) count(n int) {
	p.bytes += n
	switch took := time.Since(p.since); {
	case took > 10*rateOver: // there was nothing for a while
		p.since, p.bytes = time.Now(), 0
	case took > rateOver:
		p.rate = float64(p.bytes) / took.Seconds()
		p.since, p.bytes = time.Now(), 0
	}
}

// windowOf gives a function that tells how much the server may still send on a
// channel. x/crypto/ssh has windows of a fixed size and no call that tells how
// much of one is left: this finds it. When a version of the library has it
// elsewhere there is no such function, channels are not paced, and
// TestWindowOfAChannel fails.
func windowOf(ch ssh.Channel) func() int {
	left, mu := private[uint32](ch, "myWindow"), private[sync.Mutex](ch, "windowMu")
	if left == nil || mu == nil {
		return nil
	}
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return int(*left)
	}
}
