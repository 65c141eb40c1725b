package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"
)

// Exit says how the remote program ended: RFC 4254 §6.10.
type Exit struct {
	// Status is the exit status when there was one.
	Status int
	// Signal is the name, without SIG, of the signal that ended the program.
	Signal     string
	CoreDumped bool
	// Message is the server's own text about the signal, as it came.
	Message string
	// Lost is true when the channel was closed without a status or a signal.
	Lost bool
}

// Code is the status with which ssh(1) exits: the remote status, or 255 when
// there was none.
func (e Exit) Code() int {
	if e.Lost || e.Signal != "" {
		return 255
	}
	return e.Status
}

// OpenError is a server's refusal to open the channel.
type OpenError struct {
	Reason ssh.RejectionReason
	// Text is the server's own reason, as it came.
	Text string
	Err  error
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("open session: %s: %.500q", e.Reason, e.Text)
}

// Unwrap returns what the transport said.
func (e *OpenError) Unwrap() error { return e.Err }

// MaybeFull reports whether err is a refusal that a server gives when a
// connection has as many sessions as it allows: sshd's is "open failed"
// (MaxSessions, sshd_config(5)), others' is a shortage (RFC 4254 §5.1).
func MaybeFull(err error) bool {
	refused, ok := errors.AsType[*OpenError](err)
	return ok && (refused.Reason == ssh.ConnectionFailed || refused.Reason == ssh.ResourceShortage)
}

// RefusedError says that the server refused a request on the open channel.
type RefusedError struct {
	// Request is the request's name on the wire: "pty-req", "x11-req",
	// "shell", "exec" or "subsystem".
	Request string
}

func (e *RefusedError) Error() string {
	return e.Request + " request refused by the server"
}

// StreamError says that a local stream could not be written. The remote
// program's output for it was thrown away from then on.
type StreamError struct {
	// Stream is "stdout" or "stderr".
	Stream string
	Err    error
}

func (e *StreamError) Error() string { return "write " + e.Stream + ": " + e.Err.Error() }

// Unwrap returns the writer's error.
func (e *StreamError) Unwrap() error { return e.Err }

// ErrDisconnected is returned by Run when the user ended the session with the
// escape "~.".
var ErrDisconnected = errors.New("session ended by the escape key")

// ErrBackground is returned by Run when the user sent the session to the
// background with the escape "~&": the channel is still open, nobody reads or
// writes it any more, and Done tells when it has ended.
var ErrBackground = errors.New("session sent to the background")

// IdleError says that the channel was closed because nothing went over it.
type IdleError struct{ After time.Duration }

func (e *IdleError) Error() string {
	return fmt.Sprintf("session closed: nothing was sent or received for %v (ChannelTimeout)", e.After)
}

// idler is a channel that is closed from this side when nothing goes over it.
type idler interface {
	// Idle is closed when that happened.
	Idle() <-chan struct{}
	// TimedOut is the time without traffic after which it happened.
	TimedOut() time.Duration
}

// silence is closed when the channel was closed for being idle. The server may
// take its time to answer: sshd does not while the program holds its output.
func (s *Session) silence() <-chan struct{} {
	if i, ok := s.ch.(idler); ok {
		return i.Idle()
	}
	return nil
}

// ErrNotStarted is returned for a signal or a break that comes before the
// server has accepted the command.
var ErrNotStarted = errors.New("the remote command has not started")

// openError gives a refusal its type and leaves other failures as they are.
func openError(err error) error {
	if refused, ok := errors.AsType[*ssh.OpenChannelError](err); ok {
		return &OpenError{Reason: refused.Reason, Text: refused.Message, Err: err}
	}
	return fmt.Errorf("open session: %w", err)
}

// parseExit reads an exit-status or exit-signal request. A malformed one is
// no exit at all.
func parseExit(name string, payload []byte) (Exit, bool) {
	if name == "exit-status" {
		if len(payload) < 4 {
			return Exit{}, false
		}
		return Exit{Status: int(binary.BigEndian.Uint32(payload))}, true
	}
	var m struct {
		Signal        string
		CoreDumped    bool
		Message, Lang string
	}
	if err := ssh.Unmarshal(payload, &m); err != nil || m.Signal == "" {
		return Exit{}, false
	}
	return Exit{Signal: m.Signal, CoreDumped: m.CoreDumped, Message: m.Message}, true
}
