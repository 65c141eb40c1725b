package session

import (
	"errors"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Request says what is to run on the far side.
type Request struct {
	// Command is the command line, or the subsystem's name. Without one the
	// user's shell is started.
	Command   string
	Subsystem bool
	// PTY asks for a pseudo-terminal; nil asks for none.
	PTY *PTY
	// Env holds the variables to send, as NAME=VALUE. Entries without "="
	// are left out, as ssh(1) does. A server may ignore any of them.
	Env []string
	// AgentForward announces that this side serves agent channels.
	AgentForward bool
	// X11 announces that this side serves X11 channels; nil announces none.
	X11 *X11
	// EscapeChar is the byte that starts an escape after a newline, or -1
	// for none. It is heeded only with a PTY.
	EscapeChar int
	// KeystrokeInterval is the time between packets while somebody types on
	// the terminal, 0 to send keys as they come. It is heeded for OpenSSH
	// from 9.5 on, or for any server if KeystrokeAlways.
	KeystrokeInterval time.Duration
	KeystrokeAlways   bool
	// Hangup is the signal, named without SIG, that the remote program gets
	// when this side ends the session before it has ended; "" for none.
	Hangup string
}

// PTY describes the terminal to imitate: RFC 4254 §6.2.
type PTY struct {
	Term string
	// Modes are encoded as RFC 4254 §8 says, see EncodeModes. Empty means
	// that nothing is said about them.
	Modes []byte
	// Cols and Rows are in characters, WidthPx and HeightPx in pixels; 0
	// where the size is not known.
	Cols, Rows, WidthPx, HeightPx int
}

// X11 is what RFC 4254 §6.3.1 announces to the server.
type X11 struct {
	// Single allows one connection only.
	Single bool
	// Protocol is the authentication protocol's name and Cookie the fake
	// cookie in hexadecimal.
	Protocol, Cookie string
	Screen           int
}

// message is one channel request, ready to be sent.
type message struct {
	name    string
	payload []byte
	// reply asks for an answer; fatal says that a refusal ends the session.
	reply, fatal bool
}

var errNoSubsystem = errors.New("start session: the subsystem has no name")

// messages lists what is to be sent, in the order in which ssh(1) sends it.
func (r *Request) messages() ([]message, error) {
	if r.Subsystem && r.Command == "" {
		return nil, errNoSubsystem
	}
	var ms []message
	if r.X11 != nil {
		ms = append(ms, message{name: "x11-req", payload: r.X11.marshal(), reply: true})
	}
	if r.AgentForward {
		ms = append(ms, message{name: "auth-agent-req@openssh.com"})
	}
	if r.PTY != nil {
		ms = append(ms, message{name: "pty-req", payload: r.PTY.marshal(), reply: true})
	}
	for _, v := range r.Env {
		if name, value, ok := strings.Cut(v, "="); ok {
			ms = append(ms, message{name: "env", payload: ssh.Marshal(struct{ Name, Value string }{name, value})})
		}
	}
	return append(ms, r.start()), nil
}

// start is the request that starts the program: RFC 4254 §6.5.
func (r *Request) start() message {
	m := message{name: "exec", reply: true, fatal: true}
	switch {
	case r.Subsystem:
		m.name = "subsystem"
	case r.Command == "":
		m.name = "shell"
		return m
	}
	m.payload = ssh.Marshal(struct{ Command string }{r.Command})
	return m
}

func (p *PTY) marshal() []byte {
	modes := p.Modes
	if len(modes) == 0 {
		modes = []byte{opEnd}
	}
	return ssh.Marshal(struct {
		Term                     string
		Cols, Rows, Width, Hight uint32
		Modes                    []byte
	}{p.Term, size(p.Cols), size(p.Rows), size(p.WidthPx), size(p.HeightPx), modes})
}

func (x *X11) marshal() []byte {
	return ssh.Marshal(struct {
		Single           bool
		Protocol, Cookie string
		Screen           uint32
	}{x.Single, x.Protocol, x.Cookie, size(x.Screen)})
}

// size is n as the wire has it; what cannot be a size is unknown.
func size(n int) uint32 {
	if n < 0 || n > 1<<31-1 {
		return 0
	}
	return uint32(n)
}
