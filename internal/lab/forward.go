//go:build unix

package lab

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// dialTimeout bounds a hop's connection to the next one.
const dialTimeout = 10 * time.Second

// forward serves a direct-tcpip channel: RFC 4254 §7.2.
func (h *host) forward(nc ssh.NewChannel) {
	var want struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(nc.ExtraData(), &want); err != nil {
		nc.Reject(ssh.ConnectionFailed, "malformed direct-tcpip request")
		return
	}
	asked := net.JoinHostPort(want.Host, strconv.Itoa(int(want.Port)))
	addr, ok := h.route(want.Host, asked)
	if !ok {
		nc.Reject(ssh.Prohibited, fmt.Sprintf("%s has no route to %q", h.name, asked))
		return
	}
	c, err := h.dial(addr)
	if err != nil {
		nc.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	defer h.hangUp(c)
	ch, requests, err := nc.Accept()
	if err != nil {
		return
	}
	h.counts.forwards.Add(1)
	h.log.Debug("forwarding", "target", asked)
	var done sync.WaitGroup
	done.Go(func() { ssh.DiscardRequests(requests) })
	splice(ch, c)
	done.Wait()
}

// route says where a request for asked goes. A jump host knows the hosts behind
// it and nothing else; a target reaches its own loopback, as for "-L".
func (h *host) route(name, asked string) (addr string, ok bool) {
	if addr, ok = h.routes[asked]; ok {
		return addr, true
	}
	ip := net.ParseIP(name)
	loopback := name == "localhost" || ip != nil && ip.IsLoopback()
	return asked, loopback && h.shell != ""
}

// dial connects to addr. The local address is noted before the connection is
// made, so that the host behind can tell it from a stranger's on accept.
func (h *host) dial(addr string) (net.Conn, error) {
	var local string
	d := net.Dialer{Timeout: dialTimeout, Control: func(network, _ string, raw syscall.RawConn) error {
		if network != "tcp4" {
			return nil
		}
		var err error
		controlErr := raw.Control(func(fd uintptr) { local, err = bindLoopback(int(fd)) })
		if controlErr != nil {
			return controlErr
		}
		h.noteDialled(local, true)
		return err
	}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		h.noteDialled(local, false)
		return nil, err
	}
	if !h.track(c) {
		h.noteDialled(local, false)
		c.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}

// bindLoopback gives the socket a free loopback port and returns its address.
func bindLoopback(fd int) (string, error) {
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", err
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return "", err
	}
	in, ok := sa.(*unix.SockaddrInet4)
	if !ok {
		return "", unix.EAFNOSUPPORT
	}
	return net.JoinHostPort(net.IP(in.Addr[:]).String(), strconv.Itoa(in.Port)), nil
}

func (h *host) noteDialled(local string, is bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if is {
		h.dialled[local] = true
	} else {
		delete(h.dialled, local)
	}
}

// made says whether this host made the connection that another one accepted
// from addr.
func (h *host) made(addr net.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dialled[addr.String()]
}

func (h *host) hangUp(c net.Conn) {
	h.noteDialled(c.LocalAddr().String(), false)
	h.untrack(c)
}

// splice copies both ways and passes on each side's end of data; it returns
// when both directions have ended, with both ends closed.
func splice(ch ssh.Channel, c net.Conn) {
	var both sync.WaitGroup
	both.Go(func() {
		io.Copy(c, ch)
		if t, ok := c.(*net.TCPConn); ok {
			t.CloseWrite()
		}
	})
	both.Go(func() {
		if _, err := io.Copy(ch, c); err != nil {
			c.Close()
		}
		ch.CloseWrite()
	})
	both.Wait()
	ch.Close()
	c.Close()
}
