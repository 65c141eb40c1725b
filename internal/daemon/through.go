package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sallyport/internal/forward"
	"sallyport/internal/hop"
	"sallyport/internal/mux"
	"sallyport/internal/pool"
	"sallyport/internal/sshconfig"
	"sallyport/internal/stdio"
)

// OpenStdioForward is mux.Handler's.
func (m *master) OpenStdioForward(ctx context.Context, _ mux.Peer, r *mux.StdioForwardRequest, fds [2]*os.File) (mux.Session, error) {
	if err := m.permit(ctx, "stdio forward"); err != nil {
		return nil, err
	}
	if _, err := m.need(ctx); err != nil {
		return nil, err
	}
	m.usedFor(pool.UseForward, "stdio forward")
	spec := sshconfig.ForwardSpec{ConnectHost: r.Host, ConnectPort: r.Port, ConnectPath: r.Path}
	var through *forward.Through
	err := m.onLivePath(ctx, func(ctx context.Context) (err error) {
		through, err = forward.OpenStdio(ctx, opener{server: m.server, conn: m.lease.Conn(), route: m.lease.Route()}, spec)
		return err
	})
	if err != nil { // before the client is told that it has one
		target := m.lease.Route().Target()
		m.server.log.Warn("stdio forward", "hop", target.Name, "err", err)
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	stream, err := newStdioStream(fds)
	if err != nil {
		return nil, errors.Join(err, through.Close())
	}
	m.sessions.Add(1)
	return &stdioForward{master: m, through: through, stream: stream}, nil
}

// stdioForward is a mux.Session that joins a client's descriptors to an
// address behind the target.
type stdioForward struct {
	master  *master
	through *forward.Through
	stream  *stdioStream
}

// Run is mux.Session's.
func (f *stdioForward) Run(ctx context.Context, _ func()) (mux.Exit, error) {
	defer f.master.sessions.Done()
	defer f.stream.closeFiles()
	if f.master.detached {
		ctx = f.master.server.ctx
	}
	err := f.through.Join(ctx, f.stream, nil)
	if err != nil && ctx.Err() == nil {
		target := f.master.lease.Route().Target()
		f.master.server.log.Warn("stdio forward", "hop", target.Name, "err", err)
		return mux.Exit{}, fmt.Errorf("%s: %w", target, err)
	}
	if lost := f.lost(ctx); lost != nil {
		return mux.Exit{}, lost
	}
	return mux.Exit{Known: err == nil}, err
}

// lost is the reason if the channel has ended with its connection, and a client
// of ours is there to hear it. Only a server that answers tells one end from the
// other: both look like the end of the data.
func (f *stdioForward) lost(ctx context.Context) error {
	if ctx.Err() != nil || f.master.shared || f.master.detached {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lostWait)
	defer cancel()
	f.stream.closeFiles() // so that nobody waits for the end of the data meanwhile
	if _, err := f.master.lease.Conn().Ping(ctx); err == nil || ctx.Err() != nil {
		return nil
	}
	<-f.master.lease.Conn().Done()
	return mux.Lost{Reason: hop.Clean(f.master.endOf(f.master.lease).Error())}
}

// stdioStream is two passed descriptors as one forward.Stream.
type stdioStream struct {
	*stdio.Reader
	out *stdio.Writer
	fds [2]*os.File
	one bool // both are the same socket
}

func newStdioStream(fds [2]*os.File) (*stdioStream, error) {
	in, err := stdio.NewReader(fds[0])
	if err != nil {
		return nil, err
	}
	out, err := stdio.NewWriter(fds[1])
	if err != nil {
		in.Close()
		return nil, err
	}
	return &stdioStream{Reader: in, out: out, fds: fds, one: sameSocket(fds)}, nil
}

// sameSocket reports whether two descriptors are one socket.
func sameSocket(fds [2]*os.File) bool {
	in, errIn := fds[0].Stat()
	out, errOut := fds[1].Stat()
	return errIn == nil && errOut == nil && in.Mode().Type() == fs.ModeSocket && os.SameFile(in, out)
}

func (s *stdioStream) Write(p []byte) (int, error) { return s.out.Write(p) }

// CloseWrite is forward.Stream's: our copy of the descriptor is given back, so
// that a pipe's reader sees its end once the client has closed its own. One
// socket for both directions has to be told.
func (s *stdioStream) CloseWrite() error {
	if s.one {
		shutdownWrite(s.fds[1])
	}
	s.out.Close()
	return s.fds[1].Close()
}

func (s *stdioStream) Close() error {
	s.Reader.Close()
	return s.out.Close()
}

func (s *stdioStream) closeFiles() {
	s.Close()
	for _, f := range s.fds {
		f.Close()
	}
}
