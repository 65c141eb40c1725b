package session

import "encoding/binary"

// Opcodes of RFC 4254 §8 that are not in a table.
const (
	opEnd         = 0
	opInputSpeed  = 128
	opOutputSpeed = 129
)

// disabled stands for a special character that is switched off: RFC 4254 §8.
const disabled = 255

// charOp and flagOp pair an opcode with its place in a termios.
type charOp struct {
	op    byte
	index int
}

type flagOp struct {
	op   byte
	mask uint64
}

// flagWord is one of the four flag words of a termios and its flags.
type flagWord struct {
	value uint64
	flags []flagOp
}

// encodeModes writes the modes in the order of OpenSSH: speeds, characters,
// flags, end.
func encodeModes(ospeed, ispeed uint32, cc []byte, chars []charOp, words []flagWord) []byte {
	b := appendMode(nil, opOutputSpeed, ospeed)
	b = appendMode(b, opInputSpeed, ispeed)
	for _, c := range chars {
		b = appendMode(b, c.op, encodeChar(cc[c.index]))
	}
	for _, w := range words {
		for _, f := range w.flags {
			on := uint32(0)
			if w.value&f.mask != 0 {
				on = 1
			}
			b = appendMode(b, f.op, on)
		}
	}
	return append(b, opEnd)
}

func appendMode(b []byte, op byte, v uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, op), v)
}

// encodeChar maps the system's "switched off" to the wire's.
func encodeChar(c byte) uint32 {
	if c == vdisable {
		return disabled
	}
	return uint32(c)
}
