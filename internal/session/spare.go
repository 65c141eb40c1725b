package session

import (
	"context"

	"golang.org/x/crypto/ssh"
)

// Spare is a session channel that was opened ahead of need: a session starts
// on it without waiting for the server. It is for one session, or for none.
type Spare struct {
	ch    ssh.Channel
	reqs  <-chan *ssh.Request
	taken chan struct{} // closed to end the keeping
	kept  chan struct{} // closed when that has ended
	gone  bool          // the server has closed the channel; read after kept
}

// OpenSpare opens a spare channel. It ends as Start does, with ctx and with
// the connection. Either StartOn or Close must follow.
func OpenSpare(ctx context.Context, o Opener) (*Spare, error) {
	ch, reqs, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	sp := &Spare{ch: ch, reqs: reqs, taken: make(chan struct{}), kept: make(chan struct{})}
	go sp.keep()
	return sp, nil
}

// keep answers the server's requests as long as nobody has the channel: sshd
// asks on any of them whether we are still there.
func (sp *Spare) keep() {
	defer close(sp.kept)
	for {
		select {
		case r, ok := <-sp.reqs:
			if !ok {
				sp.gone = true
				return
			}
			_ = r.Reply(false, nil)
		case <-sp.taken:
			sp.gone = sp.ended()
			return
		}
	}
}

// ended looks once more at what the server has sent so far.
func (sp *Spare) ended() bool {
	for {
		select {
		case r, ok := <-sp.reqs:
			if !ok {
				return true
			}
			_ = r.Reply(false, nil)
		default:
			return false
		}
	}
}

// take ends the keeping; false when the server has closed the channel.
func (sp *Spare) take() bool {
	close(sp.taken)
	<-sp.kept
	return !sp.gone
}

// Gone is closed when the spare is of no use any more, or was used.
func (sp *Spare) Gone() <-chan struct{} { return sp.kept }

// Close closes a spare that nobody started on. It waits for the server's answer
// or the end of the connection.
func (sp *Spare) Close() {
	if sp.take() {
		_ = sp.ch.Close()
	}
	ssh.DiscardRequests(sp.reqs)
}

// StartOn is Start on a spare channel of o. It is used up whatever comes of it:
// false says that the server had closed it, and that nothing was asked for.
func StartOn(sp *Spare, o Opener, r Request) (*Session, bool) {
	messages, err := r.messages()
	if err != nil {
		sp.Close()
		return nil, false
	}
	if !sp.take() {
		return nil, false
	}
	return begin(o, sp.ch, sp.reqs, r, messages), true
}
