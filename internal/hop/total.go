package hop

import (
	"context"
	"time"
)

// loginAllowance is how long a server may take over all of a login, in
// addition to the bound of connecting.
const loginAllowance = 2 * patientAuthTimeout

// bound is how long a dial of the hop may take in all, without the time that a
// person takes to answer and that in which another way has its turn: for every
// attempt the bound of connecting, once for each address where one waits for
// another, and the login.
func (d *dial) bound() time.Duration {
	o := d.Hop.Options.Connect
	n := len(d.addresses())
	each := d.timeout() + time.Duration(n)*maxPatience
	if o.AlternatePolicy == "order" {
		each = time.Duration(n) * d.timeout()
	}
	attempts := time.Duration(max(o.Attempts, 1))
	return attempts*each + (attempts-1)*time.Second + loginAllowance
}

// bounded has the dial end after its bound, by the returned context.
func (d *dial) bounded(ctx context.Context) (context.Context, func()) {
	limit := d.bound()
	ctx, cancel := context.WithCancelCause(ctx)
	dog := newWatchdog(func() { cancel(&TimeoutError{After: limit.String(), Doing: "not connected"}) })
	dog.enter(StageConnect, limit)
	d.Asker = timedAsker{watchedAsker{d.Asker, dog}, d.pacer()}
	return ctx, func() {
		dog.stop()
		cancel(nil)
	}
}

// timedAsker stops the clock while a person thinks or another way has its
// turn.
type timedAsker struct {
	watchedAsker
	pace Pacer
}

// Progress is Pacer's.
func (a timedAsker) Progress(patience time.Duration) { a.pace.Progress(patience) }

// Admit is Pacer's.
func (a timedAsker) Admit(ctx context.Context) error {
	a.dog.pause()
	defer a.dog.resume()
	return a.pace.Admit(ctx)
}
