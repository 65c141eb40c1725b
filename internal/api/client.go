package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// Person answers questions and sees notices on behalf of a request.
type Person interface {
	// Ask returns the answer, ErrNobody when there is no way to ask, or
	// ErrCancelled.
	Ask(ctx context.Context, q Question) (string, error)
	Tell(n Notice)
}

// ErrDaemonGone is returned when the daemon ended before it answered.
var ErrDaemonGone = errors.New("the daemon ended before it answered")

// ErrUnheard is the ErrDaemonGone of a daemon that had not said anything:
// nobody notices when another one is asked instead.
var ErrUnheard = fmt.Errorf("%w", ErrDaemonGone)

// Do makes a request on a fresh connection and returns its result. ctx bounds
// it. After a successful attach the connection speaks the mux protocol.
func Do(ctx context.Context, conn *net.UnixConn, r *Request, who Person) (*Result, error) {
	return do(ctx, conn, r, who, nil)
}

// Logs makes a logs request and calls emit for each record.
func Logs(ctx context.Context, conn *net.UnixConn, r *Request, emit func(Record)) error {
	_, err := do(ctx, conn, r, nil, emit)
	return err
}

func do(ctx context.Context, conn *net.UnixConn, r *Request, who Person, emit func(Record)) (*Result, error) {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request, err := appendMessage(appendFrame(nil, ourHello()), r)
	if err != nil {
		return nil, err
	}
	_, unsent := conn.Write(request) // a daemon that refuses it may not read all
	gone := ErrUnheard
	for {
		e, err := readEvent(conn)
		if err != nil {
			return nil, transportError(ctx, cmp.Or(unsent, err), gone)
		}
		gone = ErrDaemonGone
		switch {
		case e.Result != nil:
			return e.Result, nil
		case e.Error != nil:
			return nil, e.Error
		case e.Tell != nil && who != nil:
			who.Tell(*e.Tell)
		case e.Log != nil && emit != nil:
			emit(*e.Log)
		case e.Ask != nil:
			if err := answerQuestion(ctx, conn, *e.Ask, who); err != nil {
				return nil, transportError(ctx, err, gone)
			}
		}
	}
}

// answerQuestion asks the person. The daemon going away while he thinks is
// noticed when the answer is sent.
func answerQuestion(ctx context.Context, conn net.Conn, q Question, who Person) error {
	a := answer{ID: q.ID}
	err := ErrNobody
	if who != nil {
		a.Text, err = who.Ask(ctx, q)
	}
	switch {
	case errors.Is(err, ErrNobody):
		a.Refused = "nobody"
	case err != nil:
		a.Refused = "cancelled"
	}
	return writeMessage(conn, &a)
}

// transportError is what a connection's error means, gone when it is that nobody
// is at the other end.
func transportError(ctx context.Context, err, gone error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return gone
		}
	}
	return fmt.Errorf("talk to the daemon: %w", err)
}
