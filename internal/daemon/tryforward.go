package daemon

import (
	"context"

	"sallyport/internal/api"
	"sallyport/internal/forward"
	"sallyport/internal/pool"
	"sallyport/internal/route"
)

// tryForwards finds forwards of a command that cannot listen here, before
// anything is dialled for a command that ends without them. Where the
// connection is up nothing is dialled, and the same forward may be there.
//
// Differs from OpenSSH, which logs in first.
func (s *Server) tryForwards(ctx context.Context, rt route.Route, wanted []api.ForwardSpec) error {
	if lease, err := s.pool.Find(rt.Key(), pool.Holder{Use: pool.UseRequest, What: "forwards"}); err == nil {
		lease.Release()
		return nil
	}
	opts := s.forwardOptions(rt)
	for _, f := range wanted {
		if f.Kind == api.ForwardRemote || f.ListenPath != "" && opts.SocketUnlink {
			continue // the server's to say, or what is there would be removed
		}
		l, err := forward.ListenLocal(ctx, nil, specOf(f), opts)
		if err != nil {
			return err
		}
		_ = l.Close()
	}
	return nil
}
