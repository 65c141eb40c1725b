package session

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
)

// attentive counts how often it is told that somebody types.
type attentive struct {
	ssh.Conn
	typed atomic.Int32
}

func (a *attentive) Typed() { a.typed.Add(1) }

// TestTyped: a terminal is a person, from its start on.
func TestTyped(t *testing.T) {
	for _, pty := range []*PTY{nil, {}} {
		o := &attentive{Conn: dialPeer(t, accepting(func(p *peer) {
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
