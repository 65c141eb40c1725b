package forward

import (
	"context"
	"errors"

	"sallyport/internal/sshconfig"
)

// Stdio opens a channel to the target of spec (its Connect fields) and joins
// stdio to it, as Through.Join does; it then closes stdio. It is ssh's -W.
// The error is an *OpenError when the target was not reached. count may be nil.
func Stdio(ctx context.Context, opener Opener, spec sshconfig.ForwardSpec, stdio Stream, count *Counters) error {
	through, err := OpenStdio(ctx, opener, spec)
	if err != nil {
		return errors.Join(err, stdio.Close())
	}
	return through.Join(ctx, stdio, count)
}

// Through is an open channel to an address behind the far side.
type Through struct{ ch *channel }

// OpenStdio opens a channel to the target of spec. The error is an *OpenError
// when the target was not reached.
func OpenStdio(ctx context.Context, opener Opener, spec sshconfig.ForwardSpec) (*Through, error) {
	if err := Check(spec, false); err != nil {
		return nil, err
	}
	ch, err := open(ctx, opener, targetOf(spec), nil)
	if err != nil {
		return nil, err
	}
	return &Through{ch}, nil
}

// Close gives the channel up without a Join.
func (t *Through) Close() error { return t.ch.Close() }

// Join joins stdio to the channel until both directions have ended or the
// server closes the channel; it then closes stdio. count may be nil.
//
// When it returns, a read of stdio may still be under way if its Close does
// not end reads, as with a terminal: what it returns is dropped.
func (t *Through) Join(ctx context.Context, stdio Stream, count *Counters) error {
	stop := context.AfterFunc(ctx, func() { _ = t.ch.Close() })
	defer stop()
	_, err := splice(stdio, t.ch, count)
	select {
	case <-t.ch.Closed(): // so that what was sent has left before the program does
	case <-ctx.Done():
	}
	if ctx.Err() != nil { // it has closed the channel
		return context.Cause(ctx)
	}
	return err
}
