package mux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A packetConn moves whole packets and descriptors. It reads not one byte
// more than the packet that it was asked for: the byte after may carry a
// descriptor, which a plain read would drop.
type packetConn struct {
	// config: not changed after newPacketConn
	conn *net.UnixConn
	// partTimeout bounds the time from a packet's first bytes to its last.
	partTimeout time.Duration
	// writeTimeout bounds the writing of one packet; 0 for no bound.
	writeTimeout time.Duration

	// state: guarded by mu
	mu      sync.Mutex // one packet is written at a time
	deadend bool       // no read will succeed any more
	rmu     sync.Mutex // guards deadend
}

// readPacket returns the next packet's body. It waits for ever for the first
// bytes. io.EOF means that the peer closed between two packets.
func (c *packetConn) readPacket() ([]byte, error) {
	var head [4]byte
	if n, err := c.conn.Read(head[:]); err != nil {
		return nil, err
	} else if err := c.readRest(head[n:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxPacket {
		return nil, protocolErrorf("packet of %d bytes is too long", size)
	}
	body := make([]byte, size)
	if err := c.readRest(body); err != nil {
		return nil, err
	}
	return body, nil
}

// readRest fills b with bytes that the peer owes us, in bounded time.
func (c *packetConn) readRest(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return c.bounded("packet", func() error {
		_, err := io.ReadFull(c.conn, b)
		return err
	})
}

// bounded calls read under the deadline for things under way.
func (c *packetConn) bounded(what string, read func() error) error {
	if c.partTimeout > 0 {
		c.setReadDeadline(time.Now().Add(c.partTimeout))
		defer c.setReadDeadline(time.Time{})
	}
	err := read()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return protocolErrorf("half a %s, then nothing for %v", what, c.partTimeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return protocolErrorf("connection closed in the middle of a %s", what)
	}
	return err
}

// setReadDeadline does nothing once interrupt was called.
func (c *packetConn) setReadDeadline(t time.Time) {
	c.rmu.Lock()
	defer c.rmu.Unlock()
	if !c.deadend {
		_ = c.conn.SetReadDeadline(t)
	}
}

// interrupt ends all reading, now and later. Writing goes on.
func (c *packetConn) interrupt() {
	c.rmu.Lock()
	defer c.rmu.Unlock()
	c.deadend = true
	_ = c.conn.SetReadDeadline(time.Unix(1, 0))
}

// write sends a finished packet. The peer would drop us for one too long.
func (c *packetConn) write(p []byte) error {
	if len(p) > 4+maxPacket {
		return protocolErrorf("message of %d bytes is too long", len(p)-4)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeTimeout > 0 {
		_ = c.conn.SetWriteDeadline(time.Now().Add(c.writeTimeout))
	}
	_, err := c.conn.Write(p)
	return err
}

// readFile receives one descriptor on its one-byte message.
func (c *packetConn) readFile(name string) (f *os.File, err error) {
	err = c.bounded("descriptor", func() (err error) {
		f, err = receiveFile(c.conn, name)
		return err
	})
	return f, err
}

// readFiles fills files, or closes those that came and returns an error.
func (c *packetConn) readFiles(files []*os.File) error {
	for i := range files {
		f, err := c.readFile(fmt.Sprintf("descriptor %d of client", i))
		if err != nil {
			closeFiles(files[:i])
			return err
		}
		files[i] = f
	}
	return nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
