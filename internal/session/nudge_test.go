package session

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
)

// nudged counts how often it is asked to have the server go on, and how often
// it is told that somebody types.
type nudged struct {
	ssh.Conn
	n, typed atomic.Int32
}

func (n *nudged) Nudge() { n.n.Add(1) }
func (n *nudged) Typed() { n.typed.Add(1) }

// TestTyped: a terminal is a person, from its start on.
func TestTyped(t *testing.T) {
	for _, pty := range []*PTY{nil, {}} {
		o := &nudged{Conn: dialPeer(t, accepting(func(p *peer) {
			if pty != nil {
				p.next(t, true)
			}
			p.next(t, true)
			_, _ = io.ReadAll(p)
		}))}
		do(t, o, Request{PTY: pty, EscapeChar: -1}, strings.NewReader("x"))
		if n := o.typed.Load(); (n >= 2) != (pty != nil) {
			t.Errorf("terminal %v: told %d times", pty != nil, n)
		}
	}
}

// TestNudgedWhenMoreIsExpected: after a little output, and while the status or
// the end of the output is to come; not when there is a terminal, for which
// servers hold nothing back.
func TestNudgedWhenMoreIsExpected(t *testing.T) {
	for name, tt := range map[string]struct {
		request Request
		serve   func(*peer)
		least   int32
		most    int32
	}{
		"a little":         {Request{}, func(p *peer) { p.next(t, true); p.Write([]byte("hi")) }, 1, 3},
		"status first":     {Request{}, func(p *peer) { p.next(t, true); p.exitStatus(0) }, 1, 2},
		"end first":        {Request{}, func(p *peer) { p.next(t, true); p.CloseWrite(); p.exitStatus(0) }, 1, 2},
		"with a terminal":  {Request{PTY: &PTY{}}, func(p *peer) { p.next(t, true); p.next(t, true); p.Write([]byte("hi")) }, 0, 0},
		"a lot in a block": {Request{}, func(p *peer) { p.next(t, true); p.Write(make([]byte, 32<<10)) }, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			o := &nudged{Conn: dialPeer(t, accepting(tt.serve))}
			do(t, o, tt.request, nil)
			if n := o.n.Load(); n < tt.least || n > tt.most {
				t.Errorf("nudged %d times, want %d to %d", n, tt.least, tt.most)
			}
		})
	}
}
