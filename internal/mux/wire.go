package mux

import (
	"encoding/binary"
	"errors"
	"strings"
)

// Version is the only protocol version there is.
const Version = 4

// maxPacket bounds a packet's body. channels.c: CHANNEL_MUX_MAX_PACKET.
const maxPacket = 256 * 1024

// Message types. PROTOCOL.mux §11 and mux.c.
const (
	msgHello = 0x00000001

	reqNewSession    = 0x10000002
	reqAlive         = 0x10000004
	reqTerminate     = 0x10000005
	reqOpenForward   = 0x10000006
	reqCloseForward  = 0x10000007
	reqStdioForward  = 0x10000008
	reqStopListening = 0x10000009
	reqProxy         = 0x1000000f
	reqInfo          = 0x20000001

	repOK            = 0x80000001
	repDenied        = 0x80000002
	repFailure       = 0x80000003
	repExit          = 0x80000004
	repAlive         = 0x80000005
	repSessionOpened = 0x80000006
	repRemotePort    = 0x80000007
	repTTYAllocFail  = 0x80000008
	repProxy         = 0x8000000f
	repInfo          = 0x90000001
)

var errShort = errors.New("message ends early")
var errNUL = errors.New("NUL inside a string")

// A decoder takes fields off a message; the first error sticks, and every
// later field is then zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) uint32() uint32 {
	if d.err != nil {
		return 0
	}
	if len(d.b) < 4 {
		d.err = errShort
		return 0
	}
	v := binary.BigEndian.Uint32(d.b)
	d.b = d.b[4:]
	return v
}

func (d *decoder) byte() byte {
	if d.err != nil {
		return 0
	}
	if len(d.b) == 0 {
		d.err = errShort
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

// bool is 32 bits wide here, unlike RFC 4251's.
func (d *decoder) bool() bool { return d.uint32() != 0 }

// bytes returns a string field as a slice of the message.
func (d *decoder) bytes() []byte {
	n := d.uint32()
	if d.err != nil {
		return nil
	}
	if uint64(n) > uint64(len(d.b)) {
		d.err = errShort
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

// string returns a C string: a NUL is allowed at its end only, where it is
// dropped. sshbuf-getput-basic.c: sshbuf_get_cstring.
func (d *decoder) string() string {
	s := strings.TrimSuffix(string(d.bytes()), "\x00")
	if strings.IndexByte(s, 0) >= 0 {
		d.err = errNUL
		return ""
	}
	return s
}

func (d *decoder) more() bool { return d.err == nil && len(d.b) > 0 }

// An encoder builds one packet, with room for the length kept in front.
type encoder struct{ b []byte }

func newEncoder(kind uint32) *encoder {
	e := &encoder{b: make([]byte, 4, 64)}
	return e.uint32(kind)
}

func (e *encoder) uint32(v uint32) *encoder {
	e.b = binary.BigEndian.AppendUint32(e.b, v)
	return e
}

func (e *encoder) bool(v bool) *encoder {
	if v {
		return e.uint32(1)
	}
	return e.uint32(0)
}

func (e *encoder) string(s string) *encoder {
	e.uint32(uint32(len(s)))
	e.b = append(e.b, s...)
	return e
}

// packet returns the finished packet, its length in front.
func (e *encoder) packet() []byte {
	binary.BigEndian.PutUint32(e.b, uint32(len(e.b)-4))
	return e.b
}
