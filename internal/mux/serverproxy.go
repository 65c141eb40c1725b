package mux

import "context"

func (s *server) proxy(ctx context.Context, id uint32) (reply, error) {
	up, err := s.h.OpenProxy(ctx, s.peer)
	if err != nil {
		return answer(id, err), nil
	}
	_ = up.Close()
	return failure(id, "unsupported request"), nil
}
