package hostkey

import "encoding/binary"

// maxMPInt is the length in bytes of the longest integer that is read, beside
// a leading zero. sshbuf.h: SSHBUF_MAX_BIGNUM.
const maxMPInt = 16384 / 8

// reader takes values in wire format (RFC 4251 §5) off b. Once something is
// amiss, bad is set and every value is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) u8() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) u32() uint32 {
	if v := r.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if v := r.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (r *reader) str() []byte {
	n := r.u32()
	if uint64(n) > uint64(len(r.b)) {
		r.bad = true
	}
	return r.take(int(n))
}

// text is a string without a NUL in it; one at its end is dropped.
// sshbuf-getput-basic.c: sshbuf_get_cstring.
func (r *reader) text() string {
	v := r.str()
	for i, c := range v {
		if c == 0 {
			if i != len(v)-1 {
				r.bad = true
				return ""
			}
			v = v[:i]
		}
	}
	return string(v)
}

// mpint is the magnitude of an integer that is not negative, without leading
// zeros.
func (r *reader) mpint() []byte {
	v := r.str()
	if len(v) > 0 && v[0]&0x80 != 0 || len(v) > maxMPInt+1 || len(v) == maxMPInt+1 && v[0] != 0 {
		r.bad = true
		return nil
	}
	for len(v) > 0 && v[0] == 0 {
		v = v[1:]
	}
	return v
}
