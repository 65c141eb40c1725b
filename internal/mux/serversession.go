package mux

import (
	"context"
	"errors"
	"os"
)

// sessionID names the one session that a connection can have.
const sessionID = 0

// reasonWait is how long, in milliseconds, a client may keep us from writing
// a reason to its standard error.
const reasonWait = 1000

// errSessionOver ends the serving of a connection in good order.
var errSessionOver = errors.New("session is over")

func (s *server) newSession(ctx context.Context, id uint32, d *decoder) (reply, error) {
	r, err := decodeSession(d)
	if err != nil {
		return reply{}, protocolErrorf("session request: %v", err)
	}
	var fds [3]*os.File
	if err := s.c.readFiles(fds[:]); err != nil {
		return failure(id, "did not receive file descriptors"), err
	}
	sess, err := s.open(ctx, func(ctx context.Context) (Session, error) {
		return s.h.OpenSession(ctx, s.peer, r, fds)
	})
	if err != nil {
		defer closeFiles(fds[:])
		if refused, ok := errors.AsType[Refused](err); ok {
			return reply{}, s.refuse(id, fds[2], refused)
		}
		return answer(id, err), nil
	}
	return reply{}, s.start(ctx, id, sess, true)
}

func (s *server) stdioForward(ctx context.Context, id uint32, d *decoder) (reply, error) {
	r, err := decodeStdioForward(d)
	if bad := (errBadForward{}); err != nil && !errors.As(err, &bad) {
		return reply{}, protocolErrorf("stdio forward request: %v", err)
	}
	var fds [2]*os.File
	if err := s.c.readFiles(fds[:]); err != nil {
		return failure(id, "did not receive file descriptors"), err
	}
	if err != nil {
		closeFiles(fds[:])
		return answer(id, err), nil
	}
	sess, err := s.open(ctx, func(ctx context.Context) (Session, error) {
		return s.h.OpenStdioForward(ctx, s.peer, r, fds)
	})
	if err != nil {
		closeFiles(fds[:])
		return answer(id, err), nil
	}
	return reply{}, s.start(ctx, id, sess, false)
}

// open lets the handler open a session, as long as there was none yet.
func (s *server) open(ctx context.Context, do func(context.Context) (Session, error)) (Session, error) {
	if s.busy {
		return nil, errors.New("Multiple sessions not supported") //lint:ignore ST1005 mux.c's words
	}
	ctx, done := s.watch(ctx)
	defer done()
	return do(ctx)
}

// start tells the client that its session is open and runs it beside the
// reading of further requests. The end of the session closes the connection,
// which is what the client waits for, even after an exit message.
func (s *server) start(ctx context.Context, id uint32, sess Session, sendExit bool) error {
	s.busy = true
	err := s.c.write(opened(id))
	s.session.Go(func() {
		defer s.c.conn.Close()
		exit, err := sess.Run(ctx, func() {
			_ = s.c.write(newEncoder(repTTYAllocFail).uint32(sessionID).packet())
		})
		s.log.Debug("control session ended", "pid", s.peer.PID, "status", exit.String(), "err", err)
		if lost, ok := errors.AsType[Lost](err); ok {
			_ = s.c.write(failure(sessionID, lost.Reason).packet)
		}
		if sendExit && exit.Known {
			_ = s.c.write(exited(exit.Status))
		}
	})
	return err
}

// refuse ends a session before it began, so that the client neither logs in
// by itself nor leaves its user without the reason.
func (s *server) refuse(id uint32, stderr *os.File, why Refused) error {
	if err := s.c.write(opened(id)); err != nil {
		return err
	}
	if why.Reason != "" {
		writeBriefly(stderr, printable(why.Reason)+"\r\n", reasonWait)
	}
	if err := s.c.write(exited(255)); err != nil {
		return err
	}
	return errSessionOver
}

func opened(id uint32) []byte {
	return newEncoder(repSessionOpened).uint32(id).uint32(sessionID).packet()
}

func exited(status uint32) []byte {
	return newEncoder(repExit).uint32(sessionID).uint32(status).packet()
}
