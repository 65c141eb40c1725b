package mux

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// Messages of the connection protocol, and of the transport where a proxy
// client may send them. RFC 4250 §4.1.2.
const (
	sshDisconnect     = 1
	sshIgnore         = 2
	sshDebug          = 4
	sshGlobalRequest  = 80
	sshRequestSuccess = 81
	sshRequestFailure = 82
	sshOpen           = 90
	sshOpenConfirm    = 91
	sshOpenFailure    = 92
	sshWindowAdjust   = 93
	sshData           = 94
	sshExtendedData   = 95
	sshEOF            = 96
	sshClose          = 97
	sshChannelRequest = 98
	sshChannelSuccess = 99
	sshChannelFailure = 100
)

// A proxyConn moves SSH packets over a control connection in proxy mode: a
// length, no padding, no encryption. PROTOCOL.mux §9.
type proxyConn struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte // of readPacket

	mu sync.Mutex // one packet is written at a time
}

func newProxyConn(conn net.Conn) *proxyConn {
	return &proxyConn{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
}

// readPacket returns a packet from its type on; it is good until the next
// call. io.EOF means that the peer closed between two packets.
func (c *proxyConn) readPacket() ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.r, head[:4]); err != nil {
		return nil, inMidPacket(err)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 2 || size > maxPacket {
		return nil, protocolErrorf("proxy packet of %d bytes", size)
	}
	if _, err := io.ReadFull(c.r, head[4:]); err != nil {
		return nil, inMidPacket(noEOF(err))
	}
	if head[4] != 0 {
		return nil, protocolErrorf("proxy packet with %d bytes of padding", head[4])
	}
	n := int(size) - 1
	if cap(c.buf) < n {
		c.buf = make([]byte, max(n, 4096))
	}
	_, err := io.ReadFull(c.r, c.buf[:n])
	return c.buf[:n], inMidPacket(noEOF(err))
}

// noEOF turns an end where there must be more into an unexpected one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func inMidPacket(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return protocolErrorf("connection closed in the middle of a proxy packet")
	}
	return err
}

// write sends a finished packet, length in front. It blocks for as long as the
// client does not read, which holds up nobody but that client.
func (c *proxyConn) write(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.conn.Write(p)
	return err
}

// newProxyPacket starts a packet of the given type, finished by packet.
func newProxyPacket(kind byte) *encoder {
	e := &encoder{b: make([]byte, 4, 64)}
	e.b = append(e.b, 0, kind) // no padding
	return e
}

func (e *encoder) byte(v byte) *encoder {
	e.b = append(e.b, v)
	return e
}

func (e *encoder) raw(v []byte) *encoder {
	e.b = append(e.b, v...)
	return e
}
