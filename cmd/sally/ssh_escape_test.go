package main_test

import (
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

// TestSSHSuspend stops the client by ~^Z and goes on with it, in a shell that
// has job control.
func TestSSHSuspend(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		ssh := c.cmd("jump")
		shell := c.cmd()
		shell.Path, shell.Args = "/bin/sh", []string{"sh", "-i"}
		shell.Env = append(shell.Env, "PS1=outside> ", "ENV=")
		con := sshtest.Tty(t, shell)
		con.Expect("outside> ", soon)
		con.Send(strings.Join(ssh.Args, " ") + "\r")
		con.Send("PS1='pro''mpt> '; stty -echo\r")
		con.Expect(prompt, soon)
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
