package forward

import (
	"context"
	"errors"

	"sallyport/internal/sshconfig"
)

// Stdio opens a channel to the target of spec (its Connect fields) and joins
// stdio to it until both directions have ended or the server closes the
// channel; it then closes stdio. It is ssh's -W. The error is an *OpenError
// when the target was not reached. count may be nil.
//
// When Stdio returns, a read of stdio may still be under way if its Close does
// not end reads, as with a terminal: what it returns is dropped.
func Stdio(ctx context.Context, opener Opener, spec sshconfig.ForwardSpec, stdio Stream, count *Counters) error {
	if err := Check(spec, false); err != nil {
		return err
	}
	ch, err := open(ctx, opener, targetOf(spec), nil)
	if err != nil {
		return errors.Join(err, stdio.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = ch.Close() })
	defer stop()
	_, err = splice(stdio, ch, count)
	select {
	case <-ch.Closed(): // so that what was sent has left before the program does
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
