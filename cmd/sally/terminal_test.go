package main_test

import (
	"bytes"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/sshtest"
)

// underShell runs the program on a terminal as the child of a shell, which
// keeps the terminal as it is when the program ends.
func underShell(u *user, args ...string) *sshtest.Console {
	u.t.Helper()
	script := `echo rea""dy; read x; "$@"; echo "ended $?"; read x`
	shell := exec.Command("sh", append([]string{"-c", script, "sh", program, "-F", u.config}, args...)...)
	shell.Env = u.env()
	con := sshtest.Tty(u.t, shell)
	con.Expect("ready", soon)
	return con
}

// child is the program's process id under underShell.
func (u *user) child() int {
	u.t.Helper()
	for _, p := range u.processes("-F") {
		return p.PID
	}
	u.t.Fatalf("the program does not run: %v", u.processes(""))
	return 0
}

func isRaw(s unix.Termios) bool { return s.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0 }

// TestTerminalIsPutBack ends a session in every way; in each the terminal was
// raw and is as before.
func TestTerminalIsPutBack(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		end  func(u *user, c *sshtest.Chain, con *sshtest.Console)
		code int
	}{
		{"exit", func(_ *user, _ *sshtest.Chain, con *sshtest.Console) { con.Send("exit 3\r") }, 3},
		{"SIGTERM", func(u *user, _ *sshtest.Chain, _ *sshtest.Console) { syscall.Kill(u.child(), syscall.SIGTERM) }, 128 + 15},
		{"SIGHUP", func(u *user, _ *sshtest.Chain, _ *sshtest.Console) { syscall.Kill(u.child(), syscall.SIGHUP) }, 128 + 1},
		{"connection killed", func(_ *user, c *sshtest.Chain, _ *sshtest.Console) { c.Host("jump").Kill() }, 255},
		{"daemon killed", func(u *user, _ *sshtest.Chain, _ *sshtest.Console) { syscall.Kill(u.status().PID, syscall.SIGKILL) }, 255},
		{"escape", func(_ *user, _ *sshtest.Chain, con *sshtest.Console) { con.Send("\r~.") }, 255},
	}
	for _, private := range []string{"", "--no-daemon"} {
		for _, tc := range cases {
			t.Run(tc.name+private, func(t *testing.T) {
				if private != "" && tc.name == "daemon killed" {
					return // there is none
				}
				t.Parallel()
				c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
				u := newUser(t, c)
				args := strings.Fields(private + " target")
				con := underShell(u, args...)
				before := con.Termios()
				con.Send("\r")
				await(t, "the terminal is raw", func() bool { return isRaw(con.Termios()) })
				con.Send("echo in''side\r")
				con.Expect("inside", soon)
				tc.end(u, c, con)
				con.Expect("ended "+strconv.Itoa(tc.code)+"\r\n", soon)
				if after := con.Termios(); after != before {
					t.Errorf("the terminal was %+v and is %+v", before, after)
				}
				if tc.name == "daemon killed" {
					u.must("up", "jump") // a new one, which can be told to quit
				}
			})
		}
	}
}

// TestInterruptAtPassword presses Ctrl-C at a hidden prompt.
func TestInterruptAtPassword(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", Auth: sshtest.Password})
	u := newUser(t, c)
	script := `trap : INT; "$@"; echo "ended $?"; read x`
	shell := exec.Command("sh", "-c", script, "sh", program, "-F", u.config, "target")
	shell.Env = u.env()
	con := sshtest.Tty(t, shell)
	before := con.FirstTermios()
	con.Expect("@target's password: ", soon)
	if before.Lflag&unix.ECHO == 0 || con.Termios().Lflag&unix.ECHO != 0 {
		t.Error("the echo was not on before, or is not off now")
	}
	con.Send("half\x03")
	con.Expect("ended 130\r\n", soon)
	if after := con.Termios(); after != before {
		t.Errorf("the terminal was %+v and is %+v", before, after)
	}
	if strings.Contains(con.Output(), "half") {
		t.Errorf("the password was shown\n%s", con.Transcript())
	}
}

// TestWindowChanges reach the target, through the daemon and without it.
func TestWindowChanges(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"-t", "--no-daemon"} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, oneJump(t))
			con := u.tty(flag, "-t", "jump", `while :; do now=$(stty size); test "$now" = "$was" || echo "$now"; was=$now; sleep 0.05; done`)
			con.Expect("24 80", soon)
			con.Resize(132, 50)
			con.Expect("50 132", soon)
			con.Resize(90, 30)
			con.Expect("30 90", soon)
			con.Send("\x03") // the remote terminal makes a signal of it
			if code := con.Wait(soon); code != 130 && code != 255 {
				t.Errorf("exit code %d\n%s", code, con.Transcript())
			}
		})
	}
}

// TestWindowChangeIsToldOnce has the client and the daemon in one process,
// where the signal that one relays must not come back to it. What is on the
// wire shows whether it does.
func TestWindowChangeIsToldOnce(t *testing.T) {
	t.Parallel()
	var wire *sshtest.Proxy
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump", Through: func(addr string) string {
		wire = sshtest.NewProxy(t, addr)
		return wire.Addr
	}})
	con := newUser(t, c).tty("--no-daemon", "-t", "jump", `stty -echo; echo ready; while read n; do echo "$n: $(stty size)"; done`)
	con.Expect("ready", soon)
	con.Resize(132, 50)
	for n := 0; ; n++ { // until the target has it
		con.Send(strconv.Itoa(n) + "\r")
		con.Expect(strconv.Itoa(n)+": ", soon)
		if strings.Contains(con.Expect("\r\n", soon), "50 132") {
			break
		}
	}
	before := wire.Bytes()
	for range 20 {
		con.Send("again\r")
		con.Expect("again: 50 132", soon)
	}
	if grown := wire.Bytes() - before; grown > 20*400 {
		t.Errorf("%d bytes for 20 short lines", grown)
	}
	con.Send("\x04")
	if code := con.Wait(soon); code != 0 && code != 1 {
		t.Errorf("exit code %d\n%s", code, con.Transcript())
	}
}

// TestTerminalChoice is RequestTTY and its flags.
func TestTerminalChoice(t *testing.T) {
	t.Parallel()
	u := newUser(t, oneJump(t))
	const probe = "test -t 0 && echo terminal || echo none"
	cases := []struct {
		args []string
		want string
	}{
		{[]string{"jump", probe}, "none"},
		{[]string{"-t", "jump", probe}, "terminal"},
		{[]string{"-T", "jump", probe}, "none"},
		{[]string{"-n", "-t", "jump", probe}, "none"},
		{[]string{"-o", "RequestTTY=yes", "jump", probe}, "terminal"},
	}
	for _, tc := range cases {
		con := u.tty(tc.args...)
		con.Expect(tc.want, soon)
		if code := con.Wait(soon); code != 0 {
			t.Errorf("%v: exit code %d\n%s", tc.args, code, con.Transcript())
		}
	}
	for args, want := range map[string]string{"-t": "none\n", "-tt": "terminal\r\n"} { // no terminal here
		if r := u.sally(args, "jump", probe); r.out != want {
			t.Errorf("%s without a terminal: %+v", args, r)
		}
	}
}

// TestStreamsAreApart sends every byte value through and back, with standard
// error beside it.
func TestStreamsAreApart(t *testing.T) {
	t.Parallel()
	u := newUser(t, oneJump(t))
	data := make([]byte, 0, 1<<16)
	for i := range 1 << 16 {
		data = append(data, byte(i), byte(i>>8))
	}
	cmd := u.cmd("jump", "cat; printf 'an \\377 error' >&2")
	cmd.Stdin = bytes.NewReader(data)
	r := u.run(cmd)
	if r.code != 0 || r.out != string(data) || r.err != "an \xff error" {
		t.Errorf("exit code %d, %d bytes of stdout, equal: %v, stderr %q", r.code, len(r.out), r.out == string(data), r.err)
	}
}

// TestHalfClose sees the end of input while the output goes on, and the other
// way round.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	u := newUser(t, oneJump(t))
	s := u.start("jump", "echo reading; cat; echo input ended; read x </dev/null; echo output went on")
	s.expect("reading\n")
	io.WriteString(s.in, "some input\n")
	s.expect("some input\n")
	s.in.Close()
	if code := s.wait(soon); code != 0 || s.out.String() != "reading\nsome input\ninput ended\noutput went on\n" {
		t.Errorf("exit code %d, stdout %q", code, s.out)
	}
	open := u.start("jump", "exec 0</dev/null; exit 4") // its input stays open here
	if code := open.wait(soon); code != 4 {
		t.Errorf("with open input: exit code %d, stderr %q", code, open.err)
	}
}

// TestOutputClosed ends a command whose output nobody wants any more.
func TestOutputClosed(t *testing.T) {
	t.Parallel()
	u := newUser(t, oneJump(t))
	pipe := exec.Command("sh", "-c", `"$@" | head -n 1`, "sh", program, "-F", u.config, "jump", "yes")
	pipe.Env = u.env()
	if r := u.run(pipe); r.out != "y\n" || r.code != 0 {
		t.Errorf("%+v", r)
	}
	await(t, "the command ends", func() bool { return len(u.processes("-F")) == 0 })
	var sessions int
	if !poll(soon, func() bool { sessions = u.master("jump").Sessions; return sessions == 0 }) {
		t.Errorf("%d sessions left", sessions)
	}
}

// TestNoInput reads nothing of what another program is to have.
func TestNoInput(t *testing.T) {
	t.Parallel()
	u := newUser(t, oneJump(t))
	both := exec.Command("sh", "-c", `"$@"; cat`, "sh", program, "-F", u.config, "-n", "jump", "cat")
	both.Env = u.env()
	both.Stdin = strings.NewReader("for the second\n")
	if r := u.run(both); r.out != "for the second\n" || r.code != 0 {
		t.Errorf("%+v", r)
	}
}
