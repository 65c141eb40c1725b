package hop

import (
	"errors"
	"fmt"
	"strings"
)

// Stage is the step of reaching a hop in which something went wrong.
type Stage string

// The stages, in their order.
const (
	StageResolve      Stage = "resolve"      // name to addresses
	StageConnect      Stage = "connect"      // TCP connection or ProxyCommand
	StageOpen         Stage = "open"         // a channel through the hop before, or on this one
	StageBanner       Stage = "banner"       // identification strings, RFC 4253 §4.2
	StageKeyExchange  Stage = "key exchange" // RFC 4253 §7
	StageHostKey      Stage = "host key"     // whether the key is the one we know
	StageAuthenticate Stage = "authenticate" // RFC 4252
	StageAlive        Stage = "alive"        // keepalive on a live connection
)

// Error says which hop failed, in which stage and why.
type Error struct {
	Hop   string // alias
	Addr  string // host:port, as resolved from the configuration
	At    string // the one of several addresses, "" where Addr says it
	Via   string // alias of the hop it was dialled through, "" for none
	Stage Stage
	Err   error
}

// Error renders "jump2 (10.0.3.1:22) via jump1: authenticate: reason".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Hop)
	if e.Addr != "" && e.Addr != e.Hop {
		fmt.Fprintf(&b, " (%s)", e.Addr)
	}
	if e.At != "" && e.At != e.Addr {
		b.WriteString(" at " + e.At)
	}
	if e.Via != "" {
		b.WriteString(" via " + e.Via)
	}
	fmt.Fprintf(&b, ": %s: %v", e.Stage, e.Err)
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Final reports whether the failure must stop everything: another address or
// another jump host must not be tried after it, since the hop was reached and
// either is not whom we know or does not accept us. A server that falls silent
// while we log in has not decided; but a person is not asked twice.
func (e *Error) Final() bool {
	var late *TimeoutError
	if e.Stage == StageAuthenticate && errors.As(e.Err, &late) {
		return late.asked
	}
	return e.Stage == StageHostKey || e.Stage == StageAuthenticate
}

// Final reports whether err is an *Error that must stop everything.
func Final(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Final()
}

// ErrTimeout is wrapped by errors of stages that took longer than their bound.
var ErrTimeout = errors.New("timed out")

// TimeoutError is a stage that took too long.
type TimeoutError struct {
	After string // the bound, as a duration
	Doing string // what was waited for
	Note  string // what ssh(1) calls it, "" for nothing

	asked bool // a person had answered something
}

func (e *TimeoutError) Error() string {
	text := e.Doing + " for " + e.After
	if e.Note != "" {
		text += " (" + e.Note + ")"
	}
	return text
}

// Is makes errors.Is(err, ErrTimeout) true.
func (e *TimeoutError) Is(target error) bool { return target == ErrTimeout }
