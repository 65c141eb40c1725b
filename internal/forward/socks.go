package forward

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// SOCKSError is a handshake that made no sense or asked for something that is
// not done here.
type SOCKSError struct {
	Reason string
}

func (e *SOCKSError) Error() string { return "socks: " + e.Reason }

// Protocol numbers. SOCKS4 and 4a: the protocol memos of NEC; 5: RFC 1928.
const (
	socks4        = 4
	socks5        = 5
	socksConnect  = 1
	methodNone    = 0x00 // no authentication
	methodRefused = 0xff
	addrIPv4      = 1
	addrName      = 3
	addrIPv6      = 4

	reply4Granted = 90
	reply4Refused = 91

	reply5Granted        = 0
	reply5Failure        = 1
	reply5NotAllowed     = 2
	reply5HostDown       = 4
	reply5BadCommand     = 7
	reply5BadAddressType = 8
)

// maxSOCKSString bounds the strings of SOCKS4, which end with a NUL. RFC 1928
// bounds those of SOCKS5 at 255 by their length byte.
const maxSOCKSString = 255

// socksRequest is what a SOCKS client asked for.
type socksRequest struct {
	version byte
	target  target
	// rest is what the client sent ahead, which belongs to the connection.
	rest []byte
}

// handshake reads a SOCKS request within a time limit. A request that is
// refused has been answered when handshake returns.
func handshake(conn Stream, limit time.Duration) (*socksRequest, error) {
	expired := time.AfterFunc(limit, func() { _ = conn.Close() })
	r := bufio.NewReaderSize(conn, 512)
	request, err := readSOCKS(r, conn)
	if !expired.Stop() && err != nil {
		return nil, &SOCKSError{Reason: fmt.Sprintf("no request within %v", limit)}
	}
	if err != nil {
		return nil, err
	}
	request.rest, _ = r.Peek(r.Buffered())
	return request, nil
}

// readSOCKS reads a request of either version, answering on w as needed.
func readSOCKS(r *bufio.Reader, w io.Writer) (*socksRequest, error) {
	version, err := r.ReadByte()
	if err != nil {
		return nil, incomplete(err)
	}
	switch version {
	case socks4:
		return readSOCKS4(r, w)
	case socks5:
		return readSOCKS5(r, w)
	}
	return nil, &SOCKSError{Reason: fmt.Sprintf("unknown version %d", version)}
}

func incomplete(err error) error {
	var own *SOCKSError
	if errors.As(err, &own) {
		return err
	}
	return &SOCKSError{Reason: "incomplete request: " + err.Error()}
}

// readSOCKS4 reads VN CD PORT IP USERID NUL, and for 4a a name and another
// NUL, after the version.
func readSOCKS4(r *bufio.Reader, w io.Writer) (*socksRequest, error) {
	q := &socksRequest{version: socks4}
	var head [7]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, incomplete(err)
	}
	q.target.port = int(binary.BigEndian.Uint16(head[1:3]))
	if _, err := readNUL(r); err != nil { // the user id means nothing here
		return nil, incomplete(err)
	}
	ip := [4]byte(head[3:7])
	q.target.host = netip.AddrFrom4(ip).String()
	if ip[0] == 0 && ip[1] == 0 && ip[2] == 0 && ip[3] != 0 {
		name, err := readNUL(r)
		if err != nil {
			return nil, incomplete(err)
		}
		q.target.host = name
	}
	return q, q.check(head[0], w)
}

func readNUL(r *bufio.Reader) (string, error) {
	var s strings.Builder
	for {
		c, err := r.ReadByte()
		if err != nil {
			return "", err
		}
		if c == 0 {
			return s.String(), nil
		}
		if s.Len() == maxSOCKSString {
			return "", &SOCKSError{Reason: "string too long"}
		}
		s.WriteByte(c)
	}
}

// readSOCKS5 reads the greeting and the request of RFC 1928 §3 and §4, after
// the version.
func readSOCKS5(r *bufio.Reader, w io.Writer) (*socksRequest, error) {
	if err := greetSOCKS5(r, w); err != nil {
		return nil, err
	}
	q := &socksRequest{version: socks5}
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, incomplete(err)
	}
	if head[0] != socks5 {
		return nil, &SOCKSError{Reason: fmt.Sprintf("version %d after the greeting", head[0])}
	}
	host, err := readAddress(r, head[3])
	if err != nil {
		return nil, incomplete(err)
	}
	if host == "" {
		return nil, q.refuse(w, reply5BadAddressType, fmt.Sprintf("address type %d", head[3]))
	}
	var port [2]byte
	if _, err := io.ReadFull(r, port[:]); err != nil {
		return nil, incomplete(err)
	}
	q.target = target{host: host, port: int(binary.BigEndian.Uint16(port[:]))}
	return q, q.check(head[1], w)
}

// greetSOCKS5 chooses "no authentication", the only method there is.
func greetSOCKS5(r *bufio.Reader, w io.Writer) error {
	count, err := r.ReadByte()
	if err != nil {
		return incomplete(err)
	}
	var methods [255]byte
	if _, err := io.ReadFull(r, methods[:count]); err != nil {
		return incomplete(err)
	}
	if !strings.Contains(string(methods[:count]), string(rune(methodNone))) {
		_, _ = w.Write([]byte{socks5, methodRefused})
		return &SOCKSError{Reason: "client insists on authentication"}
	}
	if _, err := w.Write([]byte{socks5, methodNone}); err != nil {
		return incomplete(err)
	}
	return nil
}

// readAddress reads an address of a type; "" is a type that is not known, or
// an empty name.
func readAddress(r *bufio.Reader, kind byte) (string, error) {
	var length byte
	switch kind {
	case addrIPv4:
		length = 4
	case addrIPv6:
		length = 16
	case addrName:
		var err error
		if length, err = r.ReadByte(); err != nil {
			return "", err
		}
	}
	addr := make([]byte, length)
	if _, err := io.ReadFull(r, addr); err != nil {
		return "", err
	}
	if ip, ok := netip.AddrFromSlice(addr); ok && kind != addrName {
		return ip.String(), nil
	}
	return string(addr), nil
}

// check refuses a request that cannot be carried out.
func (q *socksRequest) check(command byte, w io.Writer) error {
	if command != socksConnect {
		return q.refuse(w, reply5BadCommand, fmt.Sprintf("command %d", command))
	}
	control := func(r rune) bool { return r <= ' ' || r == 0x7f }
	if q.target.host == "" || strings.ContainsFunc(q.target.host, control) {
		return q.refuse(w, reply5Failure, fmt.Sprintf("bad host name %q", q.target.host))
	}
	if q.target.port == 0 {
		return q.refuse(w, reply5Failure, "port 0")
	}
	return nil
}

// refuse answers with a failure and returns it.
func (q *socksRequest) refuse(w io.Writer, code5 byte, reason string) error {
	_, _ = w.Write(q.reply(false, code5))
	return &SOCKSError{Reason: "refused: " + reason}
}

// success is the answer once the target is reached. Differs from OpenSSH,
// which says so before it has tried, so that its clients never learn why a
// connection failed.
func (q *socksRequest) success() []byte { return q.reply(true, reply5Granted) }

// refusal is the answer when it is not.
func (q *socksRequest) refusal(err error) []byte {
	var refused *ssh.OpenChannelError
	code := byte(reply5Failure)
	switch {
	case errors.Is(err, ErrNotPermitted):
		code = reply5NotAllowed
	case errors.As(err, &refused) && refused.Reason == ssh.Prohibited:
		code = reply5NotAllowed
	case errors.As(err, &refused) && refused.Reason == ssh.ConnectionFailed:
		code = reply5HostDown
	}
	return q.reply(false, code)
}

func (q *socksRequest) reply(ok bool, code5 byte) []byte {
	if q.version == socks5 {
		return []byte{socks5, code5, 0, addrIPv4, 0, 0, 0, 0, 0, 0}
	}
	code := byte(reply4Refused)
	if ok {
		code = reply4Granted
	}
	return []byte{0, code, 0, 0, 0, 0, 0, 0}
}
