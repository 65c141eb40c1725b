package daemon

import (
	"context"
	"errors"
	"os"

	"sallyport/internal/mux"
	"sallyport/internal/pool"
)

// master is the mux.Handler of one client on one route's master.
type master struct {
	server *Server
	lease  *pool.Lease
}

// errNotYet answers what this version cannot do.
var errNotYet = errors.New("not supported by this version")

// OpenStdioForward is mux.Handler's.
func (m *master) OpenStdioForward(context.Context, mux.Peer, *mux.StdioForwardRequest, [2]*os.File) (mux.Session, error) {
	return nil, errNotYet
}

// OpenForward is mux.Handler's.
func (m *master) OpenForward(context.Context, mux.Peer, mux.Forward) (uint32, error) {
	return 0, errNotYet
}

// CloseForward is mux.Handler's.
func (m *master) CloseForward(context.Context, mux.Peer, mux.Forward) error {
	return mux.ErrNotForwarded
}

// Alive is mux.Handler's: SIGWINCH comes to this process.
func (m *master) Alive(context.Context) (uint32, error) { return uint32(os.Getpid()), nil }

// Terminate is mux.Handler's.
func (m *master) Terminate(context.Context, mux.Peer) (func(), error) {
	return func() { m.server.pool.Down(m.lease.Key()) }, nil
}

// StopListening is mux.Handler's; an attached client has no socket of its own.
func (m *master) StopListening(context.Context, mux.Peer) error { return errNotYet }

// OpenProxy is mux.Handler's.
func (m *master) OpenProxy(context.Context, mux.Peer) (mux.Upstream, error) { return nil, errNotYet }

// Info is mux.Handler's.
func (m *master) Info(context.Context, mux.Peer, string) (string, error) { return "", errNotYet }
