package mux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrLost is returned when the master goes away in the middle of a request.
var ErrLost = errors.New("connection to master lost")

// ClientSession is a session, or a stdio forward, that the master runs with
// our standard streams.
type ClientSession struct {
	client *Client
	id     uint32
}

// Session asks for a session and passes copies of fds (standard input, output
// and error); it returns when the session is open, which is the moment to put
// a terminal into raw mode. A RequestError means that none was opened.
func (c *Client) Session(ctx context.Context, r *SessionRequest, fds [3]*os.File) (*ClientSession, error) {
	return c.open(ctx, "open session", r.encode, fds[:])
}

// StdioForward asks for fds (standard input and output) to be joined to an
// address.
func (c *Client) StdioForward(ctx context.Context, r *StdioForwardRequest, fds [2]*os.File) (*ClientSession, error) {
	return c.open(ctx, "open stdio forward", r.encode, fds[:])
}

func (c *Client) open(ctx context.Context, name string, encode func(uint32) []byte, fds []*os.File) (*ClientSession, error) {
	s := &ClientSession{client: c}
	err := c.call(ctx, call{
		name: name,
		send: func(id uint32) error {
			if err := c.c.write(encode(id)); err != nil {
				return err
			}
			for _, f := range fds {
				if err := sendFile(c.c.conn, f); err != nil {
					return fmt.Errorf("pass descriptor: %w", err)
				}
			}
			return nil
		},
		want: repSessionOpened,
		read: func(d *decoder) { s.id = d.uint32() },
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Wait returns when the master has closed the connection: with the session's
// exit status, or Known false when none was sent (a client then exits with
// 255; for a stdio forward it is the rule). ttyAllocFailed, when not nil, is
// called when the server refused a pty: leave raw mode. When ctx ends first,
// the connection is broken, which ends the session.
func (s *ClientSession) Wait(ctx context.Context, ttyAllocFailed func()) (Exit, error) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	stop := s.client.interruptible(ctx)
	defer stop()
	defer s.client.Close()
	var exit Exit
	for {
		body, err := s.client.c.readPacket()
		if err != nil {
			return exit, endOfSession(ctx, err)
		}
		if err := s.message(body, &exit, ttyAllocFailed); err != nil {
			return Exit{}, err
		}
	}
}

// endOfSession tells an orderly close from a breach of the protocol. A reset
// is a close with something of ours unread.
func endOfSession(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var bad *ProtocolError
	if errors.As(err, &bad) {
		return err
	}
	return nil
}

func (s *ClientSession) message(body []byte, exit *Exit, ttyAllocFailed func()) error {
	d := &decoder{b: body}
	kind, id := d.uint32(), d.uint32()
	if d.err == nil && id != s.id {
		return protocolErrorf("message %#x about session %d instead of %d", kind, id, s.id)
	}
	switch kind {
	case repTTYAllocFail:
		if ttyAllocFailed != nil {
			ttyAllocFailed()
		}
	case repFailure:
		if reason := d.string(); d.err == nil {
			return Lost{reason}
		}
	case repExit:
		if exit.Known {
			return protocolErrorf("two exit statuses")
		}
		*exit = Exit{Known: true, Status: d.uint32()}
	default:
		return protocolErrorf("message %#x during a session", kind)
	}
	if d.err != nil {
		return protocolErrorf("session message: %v", d.err)
	}
	return nil
}

// lost marks an error that means that the master went away.
func lost(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return ErrLost
	case hasLeft(err):
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return err
}

func isLost(err error) bool { return errors.Is(err, ErrLost) }

// ctxError prefers the reason that the caller knows.
func ctxError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
