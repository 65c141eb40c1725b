package hop

import (
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// How long nothing at all may be heard of a server that owes an answer before
// the connection's owner is told, and how often he is told again.
const (
	quietAfter = 500 * time.Millisecond
	quietAgain = 5 * time.Second
)

// Heard is when the last bytes arrived.
func (c *Conn) Heard() time.Time { return c.wire.lastHeard() }

// Fail ends the connection for a reason of the caller's, which Wait reports.
func (c *Conn) Fail(reason error) { c.fail(reason) }

// OnQuiet has f called when the server owes the answer to an open or to a
// request, and nothing has been heard of it for half a second. f must not
// block.
func (c *Conn) OnQuiet(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quiet = f
}

// expectAnswer is called when the server owes an answer; the returned function
// when it has come.
func (c *Conn) expectAnswer() (arrived func()) {
	var mu sync.Mutex
	var timer *time.Timer
	over := false
	look := func() {
		if time.Since(c.Heard()) >= quietAfter {
			c.mu.Lock()
			f := c.quiet
			c.mu.Unlock()
			if f != nil {
				f()
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if !over {
			timer.Reset(quietAgain)
		}
	}
	mu.Lock()
	timer = time.AfterFunc(quietAfter, look)
	mu.Unlock()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
		timer.Stop()
	}
}

// openExpecting opens a channel, for which the server owes an answer. How long
// it may take is the business of who asked.
func (c *Conn) openExpecting(name string, data []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	defer c.expectAnswer()()
	begun := time.Now()
	ch, requests, err := c.Conn.OpenChannel(name, data)
	if err == nil {
		c.noteRTT(time.Since(begun))
	}
	return ch, requests, err
}
