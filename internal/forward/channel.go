package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/crypto/ssh"
)

// Opener opens channels on whatever connection there is; *ssh.Client is one.
// Opening may wait until there is a connection.
type Opener interface {
	OpenChannel(name string, data []byte) (ssh.Channel, <-chan *ssh.Request, error)
}

// OpenError is a target that was not reached.
type OpenError struct {
	// Target is "host:port" or a socket's path.
	Target string
	// Err is an *ssh.OpenChannelError when the server refused.
	Err error
	// Others is true when the server has connected us to other targets.
	Others bool
}

// Experienced is an Opener that knows whether the server connects to anything.
type Experienced interface {
	// HasOpened reports whether a target was reached before.
	HasOpened() bool
}

// Error gives the server's reason and words: "open db:5432: connection failed:
// "Connection refused"". OpenSSH's words for a prohibition are always "open
// failed": which of its options it is follows from what it did allow.
func (e *OpenError) Error() string {
	var refused *ssh.OpenChannelError
	if !errors.As(e.Err, &refused) {
		return fmt.Sprintf("open %s: %v", e.Target, e.Err)
	}
	text := fmt.Sprintf("open %s: %s: %.500q", e.Target, reasonName(refused.Reason), refused.Message)
	switch {
	case refused.Reason != ssh.Prohibited:
		return text
	case e.Others:
		return text + " (the server forwards, but not to there: PermitOpen)"
	}
	return text + " (the server does not forward, or not to there: AllowTcpForwarding, PermitOpen)"
}

// Unwrap returns the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// reasonName words a reason code of RFC 4254 §5.1.
func reasonName(r ssh.RejectionReason) string {
	switch r {
	case ssh.Prohibited:
		return "administratively prohibited"
	case ssh.ConnectionFailed:
		return "connection failed"
	case ssh.UnknownChannelType:
		return "unknown channel type"
	case ssh.ResourceShortage:
		return "resource shortage"
	}
	return fmt.Sprintf("reason %d", uint32(r))
}

// Channel types and requests. RFC 4254 §7, OpenSSH's PROTOCOL §2.4.
const (
	directTCP       = "direct-tcpip"
	directUnix      = "direct-streamlocal@openssh.com"
	forwardedTCP    = "forwarded-tcpip"
	forwardedUnix   = "forwarded-streamlocal@openssh.com"
	listenTCP       = "tcpip-forward"
	listenUnix      = "streamlocal-forward@openssh.com"
	cancelTCP       = "cancel-tcpip-forward"
	cancelUnix      = "cancel-streamlocal-forward@openssh.com"
	unknownPeerHost = "127.0.0.1" // what OpenSSH says when there is no address
	unknownPeerPort = 65535
)

// tcpOpen is the data of direct-tcpip and forwarded-tcpip. RFC 4254 §7.2.
type tcpOpen struct {
	Host       string
	Port       uint32
	Originator string
	OriginPort uint32
}

// unixOpen is the data of direct-streamlocal.
type unixOpen struct {
	Path      string
	Reserved  string
	Reserved2 uint32
}

// forwardedUnixOpen is the data of forwarded-streamlocal.
type forwardedUnixOpen struct {
	Path     string
	Reserved string
}

// openMessage gives the channel type and data that reach a target. peer is who
// asked for the connection, if anything is known.
func openMessage(t target, peer net.Addr) (string, []byte) {
	if t.path != "" {
		return directUnix, ssh.Marshal(unixOpen{Path: t.path})
	}
	m := tcpOpen{Host: t.host, Port: uint32(t.port), Originator: unknownPeerHost, OriginPort: unknownPeerPort}
	if a, ok := peer.(*net.TCPAddr); ok {
		ip, _ := netip.AddrFromSlice(a.IP)
		m.Originator, m.OriginPort = ip.Unmap().WithZone(a.Zone).String(), uint32(a.Port)
	}
	return directTCP, ssh.Marshal(m)
}

// channel is an open channel that tells when the peer has closed it.
type channel struct {
	ssh.Channel
	closed chan struct{}
}

// newChannel refuses the requests that arrive on a forwarded channel. The
// goroutine ends when the channel or its connection does.
func newChannel(ch ssh.Channel, requests <-chan *ssh.Request) *channel {
	c := &channel{Channel: ch, closed: make(chan struct{})}
	go func() {
		ssh.DiscardRequests(requests)
		close(c.closed)
	}()
	return c
}

// Closed is closed when nothing more can be sent or received.
func (c *channel) Closed() <-chan struct{} { return c.closed }

// open opens a channel to a target. When ctx ends first, open returns; the
// channel, should it still come, is closed.
func open(ctx context.Context, opener Opener, t target, peer net.Addr) (*channel, error) {
	type answer struct {
		ch  *channel
		err error
	}
	answers := make(chan answer)
	go func() {
		name, data := openMessage(t, peer)
		ch, requests, err := opener.OpenChannel(name, data)
		a := answer{err: err}
		if err == nil {
			a.ch = newChannel(ch, requests)
		}
		select {
		case answers <- a:
		case <-ctx.Done():
			if a.ch != nil {
				_ = a.ch.Close()
			}
		}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			e, ok := opener.(Experienced)
			return nil, &OpenError{Target: t.String(), Err: a.err, Others: ok && e.HasOpened()}
		}
		return a.ch, nil
	case <-ctx.Done():
		return nil, &OpenError{Target: t.String(), Err: context.Cause(ctx)}
	}
}
