package hop

import (
	"bytes"
	"encoding/binary"
)

// Message numbers of the transport layer: RFC 4253 §12, RFC 4419 §5.
const (
	msgKexInit     = 20
	msgNewKeys     = 21
	msgKexInitial  = 30 // SSH_MSG_KEXDH_INIT and its like
	msgKexReply    = 31 // SSH_MSG_KEXDH_REPLY and its like
	msgGexGroup    = 31
	msgGexInit     = 32
	msgGexReply    = 33
	msgGexRequest  = 34
	maxClearPacket = 256 << 10
)

// clearStream cuts one direction of a connection into packets for as long as
// they are in clear, that is up to and with the first NEWKEYS (RFC 4253 §6,
// §7.3). What does not parse ends it: the library will complain.
type clearStream struct {
	buf        []byte
	identified bool
	done       bool
}

// add takes bytes as they come and calls packet with each payload, which is
// only valid during the call.
func (s *clearStream) add(p []byte, packet func(payload []byte)) {
	if s.done {
		return
	}
	s.buf = append(s.buf, p...)
	for !s.done && s.next(packet) {
	}
	if s.done {
		s.buf = nil
	}
}

// next consumes one line or packet; false when more bytes are needed.
func (s *clearStream) next(packet func([]byte)) bool {
	if !s.identified {
		line, rest, found := bytes.Cut(s.buf, []byte("\n"))
		if !found {
			s.done = len(s.buf) > maxClearPacket
			return false
		}
		s.buf, s.identified = rest, bytes.HasPrefix(line, []byte("SSH-"))
		return true
	}
	if len(s.buf) < 5 {
		return false
	}
	length, padding := binary.BigEndian.Uint32(s.buf), uint32(s.buf[4])
	if length > maxClearPacket || length < padding+2 {
		s.done = true
		return false
	}
	end := 4 + int(length)
	if len(s.buf) < end {
		return false
	}
	payload := s.buf[5 : end-int(padding)]
	packet(payload)
	s.done = payload[0] == msgNewKeys
	s.buf = s.buf[end:]
	return true
}
