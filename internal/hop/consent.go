package hop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
)

// Consents are the new host keys about which persons are being asked: of dials
// that ask the same at the same time one does, and the others have its answer.
// Nothing is remembered beyond that: what was accepted is in known_hosts, and
// what was refused is asked anew. The zero value is ready.
type Consents struct {
	mu   sync.Mutex
	open map[claim]*consent
}

// claim is what a person is asked to believe: that a name's key is this one;
// and where that will be filed.
type claim struct{ name, key, files string }

// consent is a question that is open.
type consent struct {
	done chan struct{} // closed when it is not open any more

	// set before that
	answered bool
	err      error // why it was refused, or not answered
}

var (
	// errRefusedElsewhere is a refusal, to those who waited for the answer.
	errRefusedElsewhere = fmt.Errorf("%w where another command asked the same", errNotConfirmed)
	errOtherKey         = errors.New("another key was accepted for it meanwhile")
)

// ask has one of those who ask the same at once do so. The others wait for its
// answer, within what wait begins and ends. When there was none, since who
// asked has gone, the next one asks.
func (c *Consents) ask(ctx context.Context, id claim, ask func() error, wait func() (end func())) error {
	for {
		q, mine := c.enter(id)
		if mine {
			q.err = ask()
			q.answered = q.err == nil || errors.Is(q.err, errNotConfirmed) || errors.Is(q.err, ErrCancelled)
			c.leave(id, q)
			return q.err
		}
		if err := q.await(ctx, wait); err != nil {
			return err
		}
		switch {
		case q.answered && q.err == nil:
			return nil
		case q.answered:
			return errRefusedElsewhere
		}
	}
}

// enter is the open question, or begins one of the caller's own.
func (c *Consents) enter(id claim) (q *consent, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q := c.open[id]; q != nil {
		return q, false
	}
	if c.open == nil {
		c.open = map[claim]*consent{}
	}
	q = &consent{done: make(chan struct{})}
	c.open[id] = q
	return q, true
}

func (c *Consents) leave(id claim, q *consent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, id)
	close(q.done)
}

func (q *consent) await(ctx context.Context, wait func() (end func())) error {
	defer wait()()
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shared asks by ask, unless the same is being asked already.
func (c *keyChecker) shared(key ssh.PublicKey, ask func() error) error {
	if c.consents == nil {
		return ask()
	}
	id := claim{c.host.Lookup(), string(key.Marshal()), strings.Join(c.hop.Options.HostKey.UserFiles, "\n")}
	return c.consents.ask(c.ctx, id, ask, func() func() {
		c.tell(NoticeInfo, "%s: waiting for another command, which asks the same about the host key", c.hop.Name)
		return hold(c.ask)
	})
}

// acquaint asks about a new key and files it, unless it was filed since it was
// looked up.
func (c *keyChecker) acquaint(key ssh.PublicKey, as *hostkey.Host, failure *HostKeyError) error {
	if c.consents != nil {
		switch v, err := c.store.Check(c.ctx, c.host, key); {
		case err != nil:
			return err
		case v.Status == hostkey.Known:
			return nil
		case v.Status != hostkey.Unknown:
			return errOtherKey
		}
	}
	if err := c.askPerson(key, failure); err != nil {
		return err
	}
	c.remember(key, as)
	return nil
}

// holder is an Asker whose clock can be stopped while another one asks.
type holder interface{ hold() (resume func()) }

func hold(a Asker) (resume func()) {
	if h, ok := a.(holder); ok {
		return h.hold()
	}
	return func() {}
}

func (a watchedAsker) hold() func() {
	a.dog.pause()
	a.dog.asks()
	resume := hold(a.Asker)
	return func() {
		resume()
		a.dog.resume()
	}
}
