package mux

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotForwarded is the answer to closing a forward that is not open.
var ErrNotForwarded = errors.New("port not forwarded")

// ErrUnsupported is returned where the operating system cannot do what the
// protocol needs.
var ErrUnsupported = errors.New("control sockets are not supported on this system")

// Denied is returned by a Handler when a person or a policy said no.
type Denied struct{ Reason string }

func (e Denied) Error() string { return e.Reason }

// Refused is returned by Handler.OpenSession to end the session with Reason on
// the client's standard error and exit status 255. FAILURE and
// PERMISSION_DENIED would make a stock client log in by itself instead.
type Refused struct{ Reason string }

func (e Refused) Error() string { return e.Reason }

// Lost is why what a client is here for has ended too early. A Session's Run
// returns it, or the serving's context ends with it as its cause, to have it told:
// to clients of ours only, since a stock one takes it for a breach of the protocol.
type Lost struct{ Reason string }

func (e Lost) Error() string { return e.Reason }

// RequestError is a master's refusal of a client's request.
type RequestError struct {
	// Request is what was asked: "open session", "open forward", ….
	Request string
	// Denied tells PERMISSION_DENIED from FAILURE.
	Denied bool
	// Reason is the master's text, as it came.
	Reason string
}

func (e *RequestError) Error() string {
	if e.Denied {
		return fmt.Sprintf("%s: denied by master: %q", e.Request, e.Reason)
	}
	return fmt.Sprintf("%s: refused by master: %q", e.Request, e.Reason)
}

// InUseError says that something else is at the path of a listener.
type InUseError struct {
	Path string
	// Live tells a socket that somebody answers from a file that is no
	// (usable) socket.
	Live bool
}

func (e *InUseError) Error() string {
	if e.Live {
		return fmt.Sprintf("control socket %s: in use by another process", e.Path)
	}
	return fmt.Sprintf("control socket %s: something that is not ours is in the way", e.Path)
}

// PathTooLongError says that no client could connect to a path.
type PathTooLongError struct {
	Path string
	Max  int // bytes
}

func (e *PathTooLongError) Error() string {
	return fmt.Sprintf("control socket %s: path is longer than %d bytes", e.Path, e.Max)
}

// ProtocolError is a peer's breach of the protocol; the connection is lost.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return "control protocol: " + e.What }

func protocolErrorf(format string, args ...any) error {
	return &ProtocolError{What: fmt.Sprintf(format, args...)}
}

// printable makes a reason fit for a terminal and for a C string.
func printable(reason string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0:
			return '?'
		}
		return r
	}, reason)
}
