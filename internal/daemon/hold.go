package daemon

import (
	"context"
	"os"

	"sallyport/internal/mux"
)

// holding is the session of a stock client that was started with -N. The
// protocol does not carry that: it asks for a shell. It gets none, and keeps
// the connection, with the forwards it asked for, until it or that ends.
type holding struct {
	master *master
	fds    [3]*os.File
}

// Run is mux.Session's.
func (h *holding) Run(ctx context.Context, _ func()) (mux.Exit, error) {
	defer h.master.sessions.Done()
	defer func() {
		for _, f := range h.fds {
			f.Close()
		}
	}()
	select {
	case <-ctx.Done():
	case <-h.master.lease.Conn().Done():
		if lost := h.master.lost(); lost != nil {
			sayTo(h.fds[2], lost)
		}
	}
	return mux.Exit{}, nil
}
