//go:build unix

package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// maxEnv is the number of variables a client may set.
const maxEnv = 100

// session is one session channel of a target: RFC 4254 §6. Its requests come
// in one at a time; the program runs beside.
type session struct {
	// config: not changed after it is made
	host *host
	ch   ssh.Channel

	// state: only touched by the goroutine that reads the requests
	env  []string
	term *ptyRequest
	prog *program // nil before shell or exec
}

// runSession serves a session channel until it is closed. The program does not
// outlive it.
func (h *host) runSession(nc ssh.NewChannel) {
	ch, requests, err := nc.Accept()
	if err != nil {
		return
	}
	h.counts.sessions.Add(1)
	s := &session{host: h, ch: ch}
	for r := range requests {
		ok := s.handle(r)
		if r.WantReply {
			r.Reply(ok, nil)
		}
		if ok && (r.Type == "shell" || r.Type == "exec") {
			s.prog.serve()
		}
	}
	if s.prog != nil {
		s.prog.hangUp()
	}
}

// handle acts on one request and says whether it was granted.
func (s *session) handle(r *ssh.Request) bool {
	switch r.Type {
	case "env":
		return s.setEnv(r.Payload)
	case "pty-req":
		return s.setTerm(r.Payload)
	case "shell":
		return s.startProgram()
	case "exec":
		var exec struct{ Command string }
		return ssh.Unmarshal(r.Payload, &exec) == nil && s.startProgram("-c", exec.Command)
	case "window-change":
		return s.resize(r.Payload)
	case "signal":
		return s.signal(r.Payload)
	}
	return false
}

// setEnv takes the variables that Debian's sshd_config accepts: the language,
// and what a terminal can do.
func (s *session) setEnv(payload []byte) bool {
	var v struct{ Name, Value string }
	if ssh.Unmarshal(payload, &v) != nil || s.prog != nil || len(s.env) >= maxEnv {
		return false
	}
	if v.Name != "LANG" && v.Name != "COLORTERM" && !strings.HasPrefix(v.Name, "LC_") {
		return false
	}
	if strings.ContainsAny(v.Name+v.Value, "\x00") || strings.Contains(v.Name, "=") {
		return false
	}
	s.env = append(s.env, v.Name+"="+v.Value)
	return true
}

func (s *session) setTerm(payload []byte) bool {
	var t ptyRequest
	if ssh.Unmarshal(payload, &t) != nil || s.prog != nil || s.term != nil {
		return false
	}
	s.term = &t
	return true
}

// startProgram runs the target's shell with args, as a login shell without.
func (s *session) startProgram(args ...string) bool {
	if s.prog != nil {
		return false
	}
	cmd := exec.Command(s.host.shell, args...)
	if len(args) == 0 {
		cmd.Args[0] = "-" + path.Base(s.host.shell)
	}
	cmd.Dir = s.host.home
	cmd.Env = append(s.host.baseEnv(), s.env...)
	var err error
	if s.term != nil {
		s.prog, err = startOnPty(cmd, s.ch, s.term)
	} else {
		s.prog, err = startOnPipes(cmd, s.ch)
	}
	if err != nil {
		fmt.Fprintf(s.ch.Stderr(), "%s: %v\r\n", s.host.name, err)
		s.host.log.Warn("program not started", "err", err)
		return false
	}
	return true
}

func (h *host) baseEnv() []string {
	search := os.Getenv("PATH")
	if search == "" {
		search = "/usr/local/bin:/usr/bin:/bin"
	}
	return []string{
		"PATH=" + search,
		"HOME=" + h.home,
		"USER=" + User,
		"LOGNAME=" + User,
		"SHELL=" + h.shell,
	}
}

func (s *session) resize(payload []byte) bool {
	var size windowSize
	if ssh.Unmarshal(payload, &size) != nil || s.prog == nil || s.prog.pty == nil {
		return false
	}
	return setSize(s.prog.pty, size) == nil
}

func (s *session) signal(payload []byte) bool {
	var v struct{ Name string }
	if ssh.Unmarshal(payload, &v) != nil || s.prog == nil {
		return false
	}
	for sig, name := range signalNames {
		if name == v.Name {
			return s.prog.kill(sig) == nil
		}
	}
	return false
}

// signalNames are RFC 4254 §6.10's.
var signalNames = map[syscall.Signal]string{
	unix.SIGABRT: "ABRT", unix.SIGALRM: "ALRM", unix.SIGFPE: "FPE", unix.SIGHUP: "HUP",
	unix.SIGILL: "ILL", unix.SIGINT: "INT", unix.SIGKILL: "KILL", unix.SIGPIPE: "PIPE",
	unix.SIGQUIT: "QUIT", unix.SIGSEGV: "SEGV", unix.SIGTERM: "TERM",
	unix.SIGUSR1: "USR1", unix.SIGUSR2: "USR2",
}

// sendExit tells the client how the program ended: RFC 4254 §6.10.
func sendExit(ch ssh.Channel, waitErr error) {
	var exit *exec.ExitError
	if waitErr != nil && !errors.As(waitErr, &exit) {
		return
	}
	status := struct{ Status uint32 }{}
	if exit != nil {
		ws := exit.Sys().(syscall.WaitStatus)
		if ws.Signaled() {
			sendExitSignal(ch, ws)
			return
		}
		status.Status = uint32(ws.ExitStatus())
	}
	ch.SendRequest("exit-status", false, ssh.Marshal(&status))
}

func sendExitSignal(ch ssh.Channel, ws syscall.WaitStatus) {
	name, ok := signalNames[ws.Signal()]
	if !ok {
		name = fmt.Sprintf("%d@sallyport", int(ws.Signal()))
	}
	ch.SendRequest("exit-signal", false, ssh.Marshal(&struct {
		Name     string
		CoreDump bool
		Message  string
		Language string
	}{Name: name, CoreDump: ws.CoreDump()}))
}
