package mux

import (
	"context"

	"golang.org/x/crypto/ssh"
)

// Upstream is the SSH connection that a proxy client shares. It is what
// ssh.Conn offers, less the requests that would change the connection for
// everybody.
type Upstream interface {
	// OpenChannel opens a channel of any kind; extra is the kind's own part of
	// the message (RFC 4254 §5.1). An *ssh.OpenChannelError goes to the client
	// as it is.
	OpenChannel(ctx context.Context, kind string, extra []byte) (ssh.Channel, <-chan *ssh.Request, error)
	// Listen asks the server to listen for the client (RFC 4254 §7.1, or
	// streamlocal-forward@openssh.com when path is not empty). Each channel
	// that comes of it is given to accept, which does not block. The returned
	// port is the one chosen for port 0. cancel ends the forward.
	Listen(ctx context.Context, l RemoteListen, accept func(ssh.NewChannel)) (port uint32, cancel func() error, err error)
	// Done is closed when the shared connection is lost; the client is then
	// dropped.
	Done() <-chan struct{}
	// Close is called once, when the client has gone and all its channels and
	// listeners are closed. It must not close the shared connection.
	Close() error
}

// RemoteListen is an address at the far end: Host and Port, or Path.
type RemoteListen struct {
	Host string
	Port uint32
	Path string
}
