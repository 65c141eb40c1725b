package hop

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// ErrMayNotForward is wrapped by errors about what would be forwarded over a
// connection to a host that may be an impostor.
var ErrMayNotForward = errors.New("forwarding is disabled")

// MayForward is an error when the host key is not the known one and only
// StrictHostKeyChecking no let the connection be made: nothing may be
// forwarded over it then. It wraps ErrMayNotForward and the *HostKeyError.
//
// Differs from OpenSSH, which refuses forwards, but goes on to the next host
// through such a jump host (sshconnect.c: check_host_key).
func (c *Conn) MayForward() error {
	if c.unsafe == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrMayNotForward, c.unsafe)
}

// OpenChannel opens a channel (RFC 4254 §5.1). Whatever is not a session leads
// somewhere else, and is refused where nothing may be forwarded.
func (c *Conn) OpenChannel(name string, data []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	return c.open(name, data, c.pace)
}

// openTunnel is OpenChannel for what carries another hop's connection: nothing
// of that may wait, whatever it is.
func (c *Conn) openTunnel(name string, data []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	return c.open(name, data, func(ch ssh.Channel) ssh.Channel { return ch })
}

// open opens a channel if it may be; wrap is what is made of it.
func (c *Conn) open(name string, data []byte, wrap func(ssh.Channel) ssh.Channel) (ssh.Channel, <-chan *ssh.Request, error) {
	if c.mayOpen != nil {
		if err := c.mayOpen(); err != nil {
			return nil, nil, err
		}
	}
	if name != "session" {
		if err := c.MayForward(); err != nil {
			return nil, nil, err
		}
	}
	ch, requests, err := c.openExpecting(name, data)
	if err != nil {
		return nil, nil, err
	}
	return c.idle.add(name, wrap(ch)), requests, nil
}

// SendRequest makes a global request (RFC 4254 §4). The server is not asked to
// listen where nothing may be forwarded.
func (c *Conn) SendRequest(name string, wantReply bool, payload []byte) (bool, []byte, error) {
	if name == "tcpip-forward" || name == "streamlocal-forward@openssh.com" {
		if err := c.MayForward(); err != nil {
			return false, nil, err
		}
	}
	if wantReply && name != keepalive {
		defer c.expectAnswer()()
	}
	return c.Conn.SendRequest(name, wantReply, payload)
}
