package hop

import (
	"context"
	"errors"
	"net"
	"time"
)

// headStart is how long an earlier candidate is preferred before the next
// one is tried beside it (RFC 8305 §5).
const headStart = 250 * time.Millisecond

// candidate is one way to make a connection.
type candidate func(ctx context.Context) (net.Conn, error)

// race tries the candidates in order, each with a head start on the next,
// and returns the first connection; the others are closed. When all fail it
// returns their errors, joined in order.
func race(ctx context.Context, candidates []candidate) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		i    int
		conn net.Conn
		err  error
	}
	results := make(chan result)
	started, pending := 0, 0
	start := func() {
		i := started
		started++
		pending++
		go func() {
			conn, err := candidates[i](ctx)
			results <- result{i, conn, err}
		}()
	}
	errs := make([]error, len(candidates))
	var won net.Conn
	start()
	for pending > 0 {
		var next <-chan time.Time
		if won == nil && started < len(candidates) && ctx.Err() == nil {
			next = time.After(headStart)
		}
		select {
		case r := <-results:
			pending--
			errs[r.i] = r.err
			switch {
			case r.err == nil && won == nil:
				won = r.conn
				cancel()
			case r.err == nil:
				r.conn.Close()
			case won == nil && started < len(candidates) && ctx.Err() == nil:
				start()
			}
		case <-next:
			start()
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, errors.Join(errs...)
}
