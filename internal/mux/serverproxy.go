package mux

import (
	"context"
	"time"
)

// proxy turns the connection into a proxy client's, for the rest of its life.
func (s *server) proxy(ctx context.Context, id uint32) (reply, error) {
	if s.busy {
		return failure(id, "a session is open on this connection"), nil
	}
	wctx, done := s.watch(ctx)
	up, err := s.h.OpenProxy(wctx, s.peer)
	done()
	if err != nil {
		return answer(id, err), nil
	}
	if err := s.c.write(newEncoder(repProxy).uint32(id).packet()); err != nil {
		_ = up.Close()
		return reply{}, err
	}
	_ = s.c.conn.SetWriteDeadline(time.Time{})
	if err := serveProxy(ctx, s.c.conn, up, s.log); err != nil {
		return reply{}, err
	}
	return reply{}, errSessionOver
}
