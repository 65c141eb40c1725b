package hop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// directTCPIP is the payload of a "direct-tcpip" channel open, RFC 4254 §7.2.
type directTCPIP struct {
	Host       string
	Port       uint32
	OriginAddr string
	OriginPort uint32
}

// Opener is the part of a connection that a tunnel through it needs.
type Opener interface {
	OpenChannel(name string, data []byte) (ssh.Channel, <-chan *ssh.Request, error)
}

// dialTunnel asks via for a connection to host:port and gives it as a
// net.Conn. When ctx ends first the call returns at once; a channel that is
// confirmed later is closed.
func dialTunnel(ctx context.Context, via Opener, host string, port int) (net.Conn, error) {
	type result struct {
		ch  ssh.Channel
		err error
	}
	done := make(chan result, 1)
	open := via.OpenChannel
	if c, ok := via.(*Conn); ok {
		open = c.openTunnel
	}
	go func() {
		ch, reqs, err := open("direct-tcpip", ssh.Marshal(&directTCPIP{
			Host: host, Port: uint32(port), OriginAddr: "127.0.0.1", OriginPort: 65535,
		}))
		if err == nil {
			go ssh.DiscardRequests(reqs)
		}
		done <- result{ch, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, openError(r.err)
		}
		return &tunnel{Channel: r.ch, to: tunnelAddr(net.JoinHostPort(host, fmt.Sprint(port)))}, nil
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				r.ch.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// OpenRefused is a hop's refusal to open a channel: RFC 4254 §5.1.
type OpenRefused struct {
	Reason ssh.RejectionReason
	Text   string // the server's words
}

func (e *OpenRefused) Error() string {
	if e.Reason == ssh.Prohibited {
		return fmt.Sprintf("refused: %s %q", e.Reason, e.Text)
	}
	return fmt.Sprintf("%s %q", e.Reason, e.Text)
}

// openError turns the library's error into ours.
func openError(err error) error {
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		return &OpenRefused{Reason: refused.Reason, Text: Clean(cut(refused.Message, maxSaid))}
	}
	if errors.Is(err, ErrMayNotForward) {
		return err
	}
	return fmt.Errorf("connection lost: %w", err)
}

// tunnel is a direct-tcpip channel as a net.Conn. It has no deadlines: whoever
// must give up closes it.
type tunnel struct {
	ssh.Channel
	to tunnelAddr
}

// Close never waits: sending the close may block behind a hop that has
// stopped reading.
func (t *tunnel) Close() error {
	go t.Channel.Close()
	return nil
}

type tunnelAddr string

func (a tunnelAddr) Network() string { return "direct-tcpip" }
func (a tunnelAddr) String() string  { return string(a) }

var errNoDeadline = errors.New("a tunnelled connection has no deadlines")

func (t *tunnel) LocalAddr() net.Addr              { return tunnelAddr("tunnel") }
func (t *tunnel) RemoteAddr() net.Addr             { return t.to }
func (t *tunnel) SetDeadline(time.Time) error      { return errNoDeadline }
func (t *tunnel) SetReadDeadline(time.Time) error  { return errNoDeadline }
func (t *tunnel) SetWriteDeadline(time.Time) error { return errNoDeadline }
