package mux

import (
	"context"
	"net"

	"golang.org/x/crypto/ssh"
)

// Proxy asks the master to let us speak SSH's connection protocol over the
// control connection, and returns that as an ssh.Conn. Closing it closes the
// connection to the master only. OpenSSH's masters accept no global request
// but tcpip-forward: do not send keepalives.
func (c *Client) Proxy(ctx context.Context) (ssh.Conn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	err := c.call(ctx, call{
		name: "open proxy",
		send: func(id uint32) error { return c.c.write(newEncoder(reqProxy).uint32(id).packet()) },
		want: repProxy,
		read: func(*decoder) {},
	})
	if err != nil {
		return nil, nil, nil, err
	}
	return ssh.NewControlClientConn(newReplay(c.c.conn))
}

// A replay is a connection on which the greetings and the request for proxy
// mode have been made already: NewControlClientConn wants to make them itself,
// so its are swallowed and answered from here.
type replay struct {
	net.Conn
	swallow int    // bytes still to come from the caller
	answer  []byte // bytes still to be given to the caller
}

func newReplay(conn net.Conn) *replay {
	const requestID = 0 // x/crypto's
	hello := newEncoder(msgHello).uint32(Version).packet()
	request := newEncoder(reqProxy).uint32(requestID).packet()
	agreed := newEncoder(repProxy).uint32(requestID).packet()
	return &replay{
		Conn:    conn,
		swallow: len(hello) + len(request),
		answer:  append(hello, agreed...),
	}
}

func (r *replay) Write(b []byte) (int, error) {
	n := min(r.swallow, len(b))
	r.swallow -= n
	if n == len(b) {
		return n, nil
	}
	m, err := r.Conn.Write(b[n:])
	return n + m, err
}

func (r *replay) Read(b []byte) (int, error) {
	if len(r.answer) > 0 {
		n := copy(b, r.answer)
		r.answer = r.answer[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}
