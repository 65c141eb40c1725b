package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/internal/mux"
	"sallyport/internal/session"
	"sallyport/internal/sshconfig"
)

// escape does what an escape key asks for and returns what to show (ssh(1),
// ESCAPE CHARACTERS).
func (p *passenger) escape(k session.EscapeKey) string {
	switch k {
	case session.EscapeList:
		return p.listChannels()
	case session.EscapeSuspend:
		if p.master.shared || p.pid <= 0 {
			break // a stock client would stop with its terminal in raw mode
		}
		suspend(p.pid)
		return ""
	case session.EscapeCommandLine:
		if !p.master.lease.Route().Target().Options.Session.EnableEscapeCommandline {
			return "the command line is off: EnableEscapeCommandline is no\r\n"
		}
		return p.commandLine()
	case session.EscapeRekey:
		c, ok := p.master.lease.Conn().(interface{ Rekey() error })
		if !ok {
			break // the keys are the master's, on which this one rides
		}
		if err := c.Rekey(); err != nil {
			return err.Error() + "\r\n"
		}
		return ""
	case session.EscapeMoreLog, session.EscapeLessLog:
		if louder := p.master.server.config.Louder; louder != nil {
			return "LogLevel " + louder(k == session.EscapeMoreLog) + "\r\n"
		}
	}
	return fmt.Sprintf("%s is not available in this session\r\n", k)
}

// listChannels is "~#": the sessions and forwards of the connection.
func (p *passenger) listChannels() string {
	var b strings.Builder
	b.WriteString("The following sessions and forwards are open:\r\n")
	for _, m := range p.master.server.pool.Snapshot() {
		if m.Conn != p.master.lease.Conn() {
			continue
		}
		for _, h := range m.Held {
			fmt.Fprintf(&b, "  %s %s", h.Use, h.What)
			if h.PID > 0 {
				fmt.Fprintf(&b, " (process %d)", h.PID)
			}
			fmt.Fprintf(&b, ", for %s\r\n", time.Since(h.Since).Round(time.Second))
		}
	}
	if l := p.master.server.liveOf(p.master.lease.Conn()); l != nil {
		for _, f := range l.list() {
			fmt.Fprintf(&b, "  forward %s\r\n", f)
		}
	}
	return b.String()
}

// list names the forwards.
func (l *live) list() []string {
	var names []string
	for _, f := range l.listening() {
		names = append(names, f.String())
	}
	return names
}

// listening are the forwards in the order of their names, with the ports that
// servers chose.
func (l *live) listening() []mux.Forward {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []mux.Forward
	for f, opened := range l.forwards {
		if opened.port != 0 {
			f.ListenPort = opened.port
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b mux.Forward) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// commandHelp is what "help" shows on the command line.
const commandHelp = "Commands:\r\n" +
	"  -L[bind_address:]port:host:hostport    forward a port here\r\n" +
	"  -R[bind_address:]port:host:hostport    forward a port there\r\n" +
	"  -D[bind_address:]port                  open a SOCKS port here\r\n" +
	"  -KL, -KR, -KD [bind_address:]port      end such a forward\r\n"

// commandLine is "~C": it reads one line from the terminal, which is raw, and
// performs it.
func (p *passenger) commandLine() string {
	_, _ = p.streams.err.Write([]byte("\r\nssh> "))
	line, ok := p.readLine()
	line = strings.TrimSpace(line)
	switch {
	case !ok || line == "":
		return "\r\n"
	case strings.HasPrefix(line, "-K") && len(line) > 3:
		return p.command(line[2], strings.TrimSpace(line[3:]), true)
	case strings.HasPrefix(line, "-") && len(line) > 2:
		return p.command(line[1], strings.TrimSpace(line[2:]), false)
	case line == "help" || line == "?" || line == "-h":
		return "\r\n" + commandHelp
	}
	return "\r\nInvalid command; \"help\" lists them.\r\n"
}

// maxCommandLine bounds what is typed, in bytes.
const maxCommandLine = 1024

// readLine reads until return, with an echo of its own; false when it was
// given up.
func (p *passenger) readLine() (string, bool) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < maxCommandLine {
		if n, err := p.streams.in.Read(one); n == 0 || err != nil {
			return "", false
		}
		switch c := one[0]; {
		case c == '\r' || c == '\n':
			return string(line), true
		case c == 3 || c == 4 || c == 27: // ^C, ^D, escape
			return "", false
		case c == 8 || c == 127:
			if len(line) > 0 {
				line = line[:len(line)-1]
				_, _ = p.streams.err.Write([]byte("\b \b"))
			}
		case c >= 32:
			line = append(line, c)
			_, _ = p.streams.err.Write(one)
		}
	}
	return "", false
}

// command opens or ends one forward.
func (p *passenger) command(kind byte, text string, cancel bool) string {
	kinds := map[byte]mux.ForwardKind{'L': mux.ForwardLocal, 'R': mux.ForwardRemote, 'D': mux.ForwardDynamic}
	k, known := kinds[kind]
	if !known {
		return "\r\nInvalid command; \"help\" lists them.\r\n"
	}
	ctx, done := context.WithTimeout(p.master.server.ctx, 10*time.Second)
	defer done()
	if cancel {
		return "\r\n" + p.cancelForward(k, text)
	}
	spec, ok := sshconfig.ParseForward(text, kind == 'D', kind == 'R', sshconfig.Env{})
	if !ok && kind == 'R' {
		spec, ok = sshconfig.ParseForward(text, true, true, sshconfig.Env{})
	}
	if !ok {
		return "\r\nBad forwarding specification.\r\n"
	}
	f := mux.Forward{Kind: k, ListenHost: spec.ListenHost, ListenPort: spec.ListenPort, ListenPath: spec.ListenPath,
		ConnectHost: spec.ConnectHost, ConnectPort: spec.ConnectPort, ConnectPath: spec.ConnectPath}
	if spec.ConnectHost == "" && spec.ConnectPath == "" {
		f.ConnectHost = "socks"
	}
	port, err := p.master.OpenForward(ctx, p.peer, f)
	switch {
	case err != nil:
		return "\r\nForwarding failed: " + err.Error() + "\r\n"
	case port != 0:
		return fmt.Sprintf("\r\nForwarding port %d.\r\n", port)
	}
	return "\r\nForwarding port.\r\n"
}

// cancelForward ends the forward that listens at text.
func (p *passenger) cancelForward(kind mux.ForwardKind, text string) string {
	want, ok := sshconfig.ParseForward(text, true, kind == mux.ForwardRemote, sshconfig.Env{})
	l := p.master.server.liveOf(p.master.lease.Conn())
	if !ok || l == nil {
		return "Bad forwarding specification.\r\n"
	}
	l.mu.Lock()
	var found *mux.Forward
	for f := range l.forwards {
		if f.Kind == kind && f.ListenPort == want.ListenPort && f.ListenHost == want.ListenHost && f.ListenPath == want.ListenPath {
			found = &f
			break
		}
	}
	l.mu.Unlock()
	if found == nil || l.cancel(*found) != nil {
		return "Unknown port forwarding.\r\n"
	}
	return "Canceled forwarding.\r\n"
}
