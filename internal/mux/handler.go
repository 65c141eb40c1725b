package mux

import (
	"context"
	"os"
	"strconv"
)

// Handler performs what the clients of one master's control socket ask for.
// Its methods are called from one goroutine for each connection, so they must
// be safe for concurrent use. A ctx ends when its client vanishes or the
// serving ends.
//
// Errors become replies: a Denied is PERMISSION_DENIED, a Refused ends a
// session without a second login, anything else is FAILURE with its text.
type Handler interface {
	// OpenSession opens a session's channel and queues what r asks for; it
	// returns when the channel is confirmed. Terminal modes must be read from
	// fds[0] here: the client goes raw once it is told that the session is
	// open. With a nil error the descriptors belong to the Session, otherwise
	// they stay the caller's, who closes them. The client's shell shares them:
	// their flags must stay, so use SyscallConn and not Fd, which makes a
	// descriptor blocking.
	OpenSession(ctx context.Context, p Peer, r *SessionRequest, fds [3]*os.File) (Session, error)
	// OpenStdioForward is OpenSession for "ssh -W"; the Session's exit status
	// is ignored.
	OpenStdioForward(ctx context.Context, p Peer, r *StdioForwardRequest, fds [2]*os.File) (Session, error)
	// OpenForward opens f, or does nothing when the same forward is live.
	// The port is told to the client only for a remote forward with port 0.
	OpenForward(ctx context.Context, p Peer, f Forward) (allocatedPort uint32, err error)
	// CloseForward closes the forward that equals f; ErrNotForwarded if none.
	CloseForward(ctx context.Context, p Peer, f Forward) error
	// Alive returns the process that clients send SIGWINCH to.
	Alive(ctx context.Context) (pid uint32, err error)
	// Terminate agrees or not; quit is called after the client was told.
	Terminate(ctx context.Context, p Peer) (quit func(), err error)
	// StopListening removes the socket; open channels finish.
	StopListening(ctx context.Context, p Peer) error
	// OpenProxy agrees or not to a proxy client, and names the connection
	// that its packets go to. The Upstream is closed with the client.
	OpenProxy(ctx context.Context, p Peer) (Upstream, error)
	// Info returns a text about the master: name is "connection" or
	// "channels". The client prints it as it is.
	Info(ctx context.Context, p Peer, name string) (string, error)
}

// Session is an open session or stdio forward.
type Session interface {
	// Run moves data until the session ends or ctx does, then releases the
	// descriptors and the channel. It is called exactly once, after the client
	// was told that the session is open. ttyAllocFailed tells the client that
	// the server refused a pty. The error is for the log only, but for a Lost.
	Run(ctx context.Context, ttyAllocFailed func()) (Exit, error)
}

// Exit is how a session ended.
type Exit struct {
	// Known is false when there is no exit status: a signal, a refused
	// subsystem, a lost connection. A client then exits with 255.
	Known  bool
	Status uint32
}

func (e Exit) String() string {
	if !e.Known {
		return "none"
	}
	return strconv.FormatUint(uint64(e.Status), 10)
}
