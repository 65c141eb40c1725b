package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// interrupted is the cancellation cause of a context that a signal ended.
type interrupted struct{ signal os.Signal }

func (e interrupted) Error() string { return "ended by " + e.signal.String() }

// code is the exit code of a command that was ended so.
func (e interrupted) code() int {
	if s, ok := e.signal.(syscall.Signal); ok {
		return exitSignals + int(s)
	}
	return exitSSH
}

// signalled reports whether ctx ended by a signal.
func signalled(ctx context.Context) (interrupted, bool) {
	var s interrupted
	ok := errors.As(context.Cause(ctx), &s)
	return s, ok
}

// ending is how signals end a command.
type ending struct {
	// elsewhere counts those who have the signals in our place.
	elsewhere atomic.Int32
	// inFront counts the programs on our terminal that have ^C and ^\ for
	// themselves, though they reach us too.
	inFront atomic.Int32

	// state: guarded by mu
	mu      sync.Mutex
	parting []*func(os.Signal) // what is left to do when the command cannot
}

// isTyped tells of a signal that a key makes.
func isTyped(s os.Signal) bool { return s == syscall.SIGINT || s == syscall.SIGQUIT }

// lend leaves the keys' signals to a program on our terminal until it has ended.
func (e *ending) lend() (done func()) {
	e.inFront.Add(1)
	return func() { e.inFront.Add(-1) }
}

// atOnce has f called if the command is ended by force before done: while the
// command hangs somewhere, so f must wait for nothing of it.
func (e *ending) atOnce(f func(os.Signal)) (done func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.parting = append(e.parting, &f)
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.parting = slices.DeleteFunc(e.parting, func(other *func(os.Signal)) bool { return other == &f })
	}
}

// force does what is left, the newest first.
func (e *ending) force(s os.Signal) {
	e.mu.Lock()
	parting := slices.Clone(e.parting)
	e.mu.Unlock()
	for _, f := range slices.Backward(parting) {
		(*f)(s)
	}
}

// untilSignal runs a command in a context that ends with the signals that end a
// command, and returns its exit code, or that of a signal that had to end it by
// force.
func (a *App) untilSignal(run func(context.Context) int) int {
	signals := make(chan os.Signal, 1)
	if wanted := endings(); len(wanted) > 0 { // of none it would be told all
		signal.Notify(signals, wanted...)
	}
	defer signal.Stop(signals)
	return a.ending.until(signals, run)
}

// endings are the signals that end a command, without those that we are to
// ignore: nohup's, and those of a script's background jobs (clientloop.c:
// client_loop).
func endings() []os.Signal {
	if signal.Ignored(syscall.SIGINT) { // the runtime does not tell of SIGQUIT; a shell ignores both
		signal.Ignore(syscall.SIGQUIT)
	}
	return slices.DeleteFunc([]os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP}, signal.Ignored)
}

// endTime is what a command has for an orderly end, before another signal ends
// it at once.
const endTime = time.Second

// until is untilSignal with the signals given. The command runs beside it, since
// it may hang in a call that no context reaches: whoever opens a FIFO waits for
// its other end.
func (e *ending) until(signals <-chan os.Signal, run func(context.Context) int) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	code := make(chan int, 1)
	go func() { code <- run(ctx) }()
	var first interrupted
	var since time.Time
	for {
		select {
		case c := <-code:
			return c
		case s := <-signals:
			switch {
			case e.elsewhere.Load() > 0 || isTyped(s) && e.inFront.Load() > 0:
			case ctx.Err() == nil:
				first, since = interrupted{s}, time.Now()
				cancel(first)
			case time.Since(since) < endTime:
			case s == syscall.SIGHUP && first.signal == syscall.SIGHUP: // a closing terminal's comes from the kernel and from the shell
			default:
				e.force(s)
				return interrupted{s}.code()
			}
		}
	}
}
