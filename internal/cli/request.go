package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/route"
)

// request is a request about a route, with our surroundings.
func (a *App) request(op api.Op, rt route.Route) *api.Request {
	a.answers.know(rt)
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	return &api.Request{Op: op, Route: rt.Encode(), Env: a.Environ, Dir: dir}
}

// tell makes a request of a daemon that must be running already.
func (a *App) tell(ctx context.Context, r *api.Request) (*api.Result, error) {
	conn, result, err := a.do(ctx, a.dialDaemon, r, nil)
	if err == nil {
		conn.Close()
	}
	return result, err
}

// deadDaemons is how many daemons in a row may end when they are asked.
const deadDaemons = 3

// do makes a request of the daemon that dial connects to. It returns the
// connection with the result; the caller closes it. A daemon that ends before it
// has said anything, killed or replaced just then, has done nothing that lasts:
// the next one is asked.
func (a *App) do(ctx context.Context, dial func(context.Context) (*net.UnixConn, error), r *api.Request, who api.Person) (*net.UnixConn, *api.Result, error) {
	for ended := 1; ; ended++ {
		conn, err := dial(ctx)
		if err != nil {
			return nil, nil, err
		}
		var result *api.Result
		err = a.watched(ctx, conn, func(ctx context.Context) (err error) {
			result, err = api.Do(ctx, conn, r, who)
			return err
		})
		if err == nil {
			return conn, result, nil
		}
		conn.Close()
		if !errors.Is(err, api.ErrUnheard) || ended == deadDaemons {
			return nil, nil, err
		}
	}
}

// While a request takes its time, the daemon is asked every lookAfter whether it
// is still there, and has answerTime for that: it may be stopped, or the machine
// out of memory.
const (
	lookAfter  = 5 * time.Second
	answerTime = 10 * time.Second
)

// frozenError is a daemon that is there and does not answer.
type frozenError struct {
	pid int // 0 if unknown
}

func (e frozenError) Error() string {
	if e.pid == 0 {
		return "the daemon does not answer"
	}
	return fmt.Sprintf("the daemon, process %d, does not answer", e.pid)
}

// watched makes a request on a connection and gives up when the daemon is frozen.
func (a *App) watched(ctx context.Context, conn *net.UnixConn, request func(context.Context) error) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	go func() {
		for pass(ctx, lookAfter) && a.daemonAnswers(ctx) {
		}
		giveUp(frozenError{daemonPID(conn)})
	}()
	err := request(ctx)
	if err != nil && errors.As(context.Cause(ctx), new(frozenError)) {
		return context.Cause(ctx)
	}
	return err
}

// pass waits; it reports false when ctx ends first.
func pass(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// daemonAnswers asks on a connection of its own. A daemon that has ended is not
// the matter: the connection with the request says so.
func (a *App) daemonAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	conn, err := a.dialDaemon(ctx)
	if err == nil {
		_, err = api.Do(ctx, conn, &api.Request{Op: api.OpStatus}, nil)
		conn.Close()
	}
	return !errors.Is(err, context.DeadlineExceeded)
}
