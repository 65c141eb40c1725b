package hop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
)

// looksLikeSSH reports whether a server's first bytes hold an identification
// string; lines before it are allowed (RFC 4253 §4.2).
func looksLikeSSH(said []byte) bool {
	for line := range bytes.Lines(said) {
		if bytes.HasPrefix(line, []byte("SSH-2.0-")) || bytes.HasPrefix(line, []byte("SSH-1.99-")) {
			return true
		}
	}
	return false
}

// NotSSHError is about a server that said something else.
type NotSSHError struct {
	Said string // its first bytes
}

func (e *NotSSHError) Error() string { return fmt.Sprintf("not an SSH server: it said %q", e.Said) }

func notSSH(said []byte) error {
	return &NotSSHError{Said: string(said[:min(len(said), 64)])}
}

// plainError is a library's error without its preamble; the cause is kept.
type plainError struct {
	text string
	err  error
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.err }

// libraryError drops the prefixes of x/crypto/ssh, cleans what a peer may
// have put into the text, and words what ssh's users know by other words.
func libraryError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return &plainError{"the server closed the connection", err}
	case errors.Is(err, syscall.ECONNRESET):
		return &plainError{"the server reset the connection", err}
	}
	text := err.Error()
	for _, prefix := range []string{"ssh: handshake failed: ", "ssh: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	if said, ok := strings.CutPrefix(text, "disconnect, reason "); ok {
		_, said, _ = strings.Cut(said, ": ")
		return &plainError{"the server disconnected: " + inOneLine(said), err}
	}
	if damage := damaged(text); damage != "" {
		return &CorruptionError{What: damage, Err: err}
	}
	return &plainError{inOneLine(text), err}
}

// CorruptionError says that a packet was damaged on its way, or forged.
type CorruptionError struct {
	What string // in the words of ssh(1)
	Err  error  // the library's
}

func (e *CorruptionError) Error() string {
	return e.What + ": what the server sent was damaged on its way"
}

func (e *CorruptionError) Unwrap() error { return e.Err }

// damaged words the library's complaints about packets that do not verify or
// do not parse; "" for other errors. The library has no types for them.
func damaged(text string) string {
	switch {
	case text == "MAC failure", strings.Contains(text, "message authentication failed"):
		return "message authentication code incorrect"
	case strings.HasPrefix(text, "invalid packet length"), text == "max packet length exceeded",
		text == "packet too large", text == "packet too small":
		return "Bad packet length"
	case strings.HasPrefix(text, "illegal padding"), strings.HasPrefix(text, "padding "):
		return "padding error"
	case text == "empty packet", text == "zero length packet":
		return "Bad packet: it is empty"
	}
	return ""
}
