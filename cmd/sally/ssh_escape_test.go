package main_test

import (
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// prompt is what the shell in escaping shows when it waits.
const prompt = "prompt> "

// escaping is a shell on a terminal, at its prompt.
func escaping(t testing.TB, c *client, args ...string) *sshtest.Console {
	t.Helper()
	con := c.tty(append(args, "jump")...)
	con.Send("PS1='pro''mpt> '; stty -echo\r")
	con.Expect(prompt, soon)
	return con
}

// TestSSHEscapes types each escape sequence (ssh(1), ESCAPE CHARACTERS).
func TestSSHEscapes(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		con := escaping(t, c)
		con.Send("~?")
		for _, line := range []string{" ~. ", " ~B ", " ~# ", " ~~ "} {
			con.Expect(line, soon)
		}
		con.Send("\r")
		con.Expect(prompt, soon)
		con.Send("~#")
		con.Expect("session", soon)
		con.Send("\r")
		con.Expect(prompt, soon)
		con.Send("~B") // no harm
		con.Send("\r")
		con.Expect(prompt, soon)
		con.Send("~V")
		con.Expect("ERROR", soon)
		con.Send("~v")
		con.Expect("INFO", soon)
		con.Send("\r")
		con.Expect(prompt, soon)
		con.Send("~~echo a >/dev/null; echo 'til''de' ~+ x~.\r") // a command "~echo", and no sequence inside a line
		con.Expect("tilde", soon)
		con.Expect("x~.", soon)
		con.Expect(prompt, soon)
		con.Send("~x\r") // no sequence: sent as it is
		con.Expect("~x", soon)
		con.Expect(prompt, soon)
		con.Send("~.")
		con.Expect("Connection to 127.0.0.1 closed.", soon)
		if code := con.Wait(soon); code != 255 {
			t.Errorf("exit code %d\n%s", code, con.Transcript())
		}
	})
}

// TestSSHEscapeCharacter is -e and EscapeChar.
func TestSSHEscapeCharacter(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		con := escaping(t, c, "-e", "^X")
		con.Send("echo ~''.\r")
		con.Expect("~.", soon)
		con.Expect(prompt, soon)
		con.Send("\x18.")
		if code := con.Wait(soon); code != 255 {
			t.Errorf("-e ^X: exit code %d\n%s", code, con.Transcript())
		}
		con = escaping(t, c, "-o", "EscapeChar=none")
		con.Send("~.\r")
		con.Expect(prompt, soon)
		con.Send("exit 3\r")
		if code := con.Wait(soon); code != 3 {
			t.Errorf("none: exit code %d\n%s", code, con.Transcript())
		}
	})
}

// TestSSHRekeyEscape asks for new keys by ~R and types on.
func TestSSHRekeyEscape(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		c.use(oneJump(t))
		con := escaping(t, c, "-v")
		for range 2 {
			con.Send("\r~R")
			con.Expect("NEWKEYS sent", soon)
			con.Send("echo typ''ed\r")
			con.Expect("typed", soon)
			con.Expect(prompt, soon)
		}
		con.Send("exit\r")
		con.Wait(soon)
	})
}

// TestSSHEscapeCommandline opens and closes a forward with ~C.
func TestSSHEscapeCommandline(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		there := lateEcho(t, "tcp", "127.0.0.1:0")
		here := sshtest.RefusedPort(t)
		con := escaping(t, c, "-o", "EnableEscapeCommandline=yes")
		con.Send("~C")
		con.Expect("ssh> ", soon)
		con.Send("-L " + here + ":" + there + "\r")
		con.Expect("Forwarding port.", soon)
		wantEcho(t, "tcp", here)
		con.Send("\r~C")
		con.Expect("ssh> ", soon)
		con.Send("-KL " + here + "\r")
		con.Expect("Canceled forwarding.", soon)
		con.Send("\rexit\r")
		if code := con.Wait(soon); code != 0 {
			t.Errorf("exit code %d\n%s", code, con.Transcript())
		}
		con = escaping(t, c)
		con.Send("~C")
		con.Expect("line", soon) // "commandline disabled", or a sentence
		con.Send("\r")
		con.Expect(prompt, soon)
		con.Send("exit\r")
		con.Wait(soon)
	})
}

// fromShell is a session at its prompt that was started by an interactive
// shell, at "outside> ".
func fromShell(t testing.TB, c *client, ssh *exec.Cmd) *sshtest.Console {
	t.Helper()
	shell := c.cmd()
	shell.Path, shell.Args = "/bin/sh", []string{"sh", "-i"}
	shell.Env = append(shell.Env, "PS1=outside> ", "ENV=")
	con := sshtest.Tty(t, shell)
	con.Expect("outside> ", soon)
	con.Send(strings.Join(ssh.Args, " ") + "\r")
	con.Send("PS1='pro''mpt> '; stty -echo\r")
	con.Expect(prompt, soon)
	return con
}

// TestSSHSuspend stops the client by ~^Z and goes on with it, in a shell that
// has job control.
func TestSSHSuspend(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		con := fromShell(t, c, c.cmd("jump"))
		con.Send("~\x1a")
		con.Expect("outside> ", soon)
		con.Send("echo out''side; stty -a | tr ' ;' '\\n\\n' | grep -x icanon\r")
		con.Expect("outside\r\n", soon)
		con.Expect("icanon\r\n", soon) // our modes were put back
		con.Expect("outside> ", soon)
		con.Send("fg\r")
		con.Send("echo ins''ide\r")
		con.Expect("inside", soon)
		con.Send("exit 6\r")
		con.Expect("outside> ", soon)
		con.Send("echo status $?; exit\r")
		con.Expect("status 6", soon)
		con.Wait(soon)
	})
}

// TestSSHBackgroundEscape leaves a session by "~&" while a connection through
// its forward is open: the shell has its terminal back, the connection goes
// on, no other is taken, and when it ends nothing is left.
func TestSSHBackgroundEscape(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		c.use(oneJump(t))
		leaveByEscape(t, c, func(forward string) *exec.Cmd { return c.cmd("-L", forward, "jump") })
	})
	t.Run("daemon", func(t *testing.T) {
		t.Parallel()
		c := newClient(t, program)
		c.use(oneJump(t))
		leaveByEscape(t, c, func(forward string) *exec.Cmd { return c.cmd("-L", forward, "jump") })
		quit := c.cmd()
		quit.Args = []string{program, "quit"}
		if r := c.end(quit); r.code != 0 {
			t.Errorf("quit: %+v", r)
		}
	})
}

func leaveByEscape(t *testing.T, c *client, start func(forward string) *exec.Cmd) {
	t.Helper()
	there, here := lateEcho(t, "tcp", "127.0.0.1:0"), sshtest.RefusedPort(t)
	con := fromShell(t, c, start(here+":"+there))
	conn := dial(t, "tcp", here)
	write := func(text string) {
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
	}
	write("before, ")
	con.Send("\r")
	con.Expect(prompt, soon)
	con.Send("~&")
	con.Expect("outside> ", soon)
	con.Send("echo status $?; stty -a | tr ' ;' '\\n\\n' | grep -x icanon\r")
	con.Expect("status 0\r\n", soon)
	con.Expect("icanon\r\n", soon)
	await(t, "no more connections are taken", func() bool {
		other, err := net.Dial("tcp", here)
		if err == nil {
			other.Close()
		}
		return err != nil
	})
	write("behind")
	conn.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "back before, behind" {
		t.Errorf("%q, %v", got, err)
	}
	con.Send("exit\r")
	con.Wait(soon)
	await(t, "nothing is left but the daemon", func() bool {
		for _, p := range c.processes() {
			if !strings.Contains(p.Command, " daemon ") {
				return false
			}
		}
		return true
	})
}
