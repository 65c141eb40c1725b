package hop

import (
	"bytes"
	"errors"
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

// plainError is a library's error without its preamble; the cause is kept.
type plainError struct {
	text string
	err  error
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.err }

// libraryError drops the prefixes of x/crypto/ssh and cleans what a peer may
// have put into the text.
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
	return &plainError{strings.ReplaceAll(Clean(text), "\n", " "), err}
}
