package main_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// TestSSHEnvironment is SendEnv and SetEnv, from the files and the command
// line, to a server that accepts LC_*.
func TestSSHEnvironment(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain, "Host jump", "  SendEnv LC_A* FOO", "  SetEnv LC_SET=one")
		c.env = []string{"LC_A1=sent", "LC_A2=two words", "LC_B=kept", "FOO=refused"}
		const show = `echo "$LC_A1,$LC_A2,$LC_B,$LC_SET,$FOO"`
		for _, tc := range []struct {
			options []string
			want    string
		}{
			{nil, "sent,two words,,one,"},
			{[]string{"-o", "SendEnv=LC_B"}, "sent,two words,kept,one,"},
			{[]string{"-o", "SetEnv=LC_SET=two LC_B=set"}, "sent,two words,set,two,"},
			{[]string{"-o", "SetEnv=LC_A1=\"my own\""}, "my own,two words,,,"},
			{[]string{"-o", "SendEnv=-LC_A2"}, "sent,two words,,one,"},
		} {
			if out := c.must(append(tc.options, "jump", show)...); out != tc.want+"\n" {
				t.Errorf("%q: %q, want %q", tc.options, out, tc.want)
			}
		}
	})
}

// TestSSHCommands is RemoteCommand, subsystems and what excludes what.
func TestSSHCommands(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		if out := c.must("-o", "RemoteCommand=echo %n %r %%", "jump"); out != "jump "+chain.Host("jump").User()+" %\n" {
			t.Errorf("RemoteCommand: %q", out)
		}
		c.fails([]string{"Cannot execute command-line and remote command."}, "-o", "RemoteCommand=echo", "jump", "echo")
		if out := c.must("jump", "echo", "a  b", "'c  d'"); out != "a b c  d\n" {
			t.Errorf("several words: %q", out)
		}
		if out := c.must("--", "jump", "echo", "-v"); out != "-v\n" {
			t.Errorf("a flag of the command's: %q", out)
		}
		if out := c.must("jump", "-n", "echo", "-n", "x"); out != "x" {
			t.Errorf("a flag behind the host: %q", out)
		}
		// SSH_FXP_INIT with version 3 is answered by SSH_FXP_VERSION.
		sftp := c.start("-s", "jump", "sftp")
		sftp.in.Write([]byte("\x00\x00\x00\x05\x01\x00\x00\x00\x03"))
		sftp.expect("posix-rename@openssh.com")
		sftp.in.Close()
		if code := sftp.wait(soon); code != 0 || sftp.err.String() != "" {
			t.Errorf("-s sftp: exit code %d, stderr %q", code, sftp.err)
		}
		c.fails([]string{"subsystem"}, "-s", "jump", "no-such-subsystem")
	})
}

// TestSSHTerminals is RequestTTY in all its spellings, with and without a
// terminal here.
func TestSSHTerminals(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		const show = "test -t 0 && echo terminal || echo none"
		for _, tc := range []struct {
			option   string
			terminal bool // here
			want     string
		}{
			{"-oRequestTTY=auto", true, "none"}, // there is a command
			{"-oRequestTTY=yes", true, "terminal"},
			{"-t", true, "terminal"},
			{"-T", true, "none"},
			{"-oRequestTTY=no", true, "none"},
			{"-oRequestTTY=force", false, "terminal"},
			{"-tt", false, "terminal"},
			{"-t", false, "none"},
			{"-oRequestTTY=yes", false, "none"},
		} {
			if tc.terminal {
				con := c.tty(tc.option, "jump", show)
				con.Expect(tc.want+"\r\n", soon)
				con.Wait(soon)
				continue
			}
			r := c.run(tc.option, "jump", show)
			if got := strings.TrimRight(r.out, "\r\n"); got != tc.want || r.code != 0 {
				t.Errorf("%s without a terminal: %+v", tc.option, r)
			}
			said := strings.Contains(r.err, "Pseudo-terminal will not be allocated because stdin is not a terminal.")
			if said != (tc.want == "none") {
				t.Errorf("%s without a terminal: stderr %q", tc.option, r.err)
			}
		}
	})
}

// TestSSHShellOnATerminal resizes the window and puts the modes back.
func TestSSHShellOnATerminal(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		con := c.tty("jump")
		before := con.FirstTermios()
		con.Send("stty size; echo $TERM $SSH_TTY\r")
		con.Expect("24 80", soon)
		con.Expect("xterm /dev/pts/", soon)
		con.Resize(100, 30)
		con.Send("while test \"$(stty size)\" != '30 100'; do :; done; echo resi''zed\r")
		con.Expect("resized", soon)
		con.Send("PS1='pro''mpt> '\r")
		con.Expect("prompt> ", soon)
		con.Send("sh -c 'trap \"exit 130\" INT; echo slee\"\"ping; while :; do sleep 1; done'\r")
		con.Expect("sleeping", soon)
		con.Send("\x03")
		con.Expect("prompt> ", soon)
		con.Send("echo inter''rupted\r")
		con.Expect("interrupted", soon)
		con.Send("exit 9\r")
		con.Expect("Connection to 127.0.0.1 closed.", soon)
		if code := con.Wait(soon); code != 9 {
			t.Errorf("exit code %d", code)
		}
		if con.Termios() != before {
			t.Errorf("the terminal's modes differ: %+v, were %+v", con.Termios(), before)
		}
	})
}

// TestSSHLocalCommand runs on this side, when it is permitted.
func TestSSHLocalCommand(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain, "Host jump", "  LocalCommand echo here for %n as %r at %p")
		_, port := address(t, chain.Host("jump"))
		local := "here for jump as " + chain.Host("jump").User() + " at " + port + "\n"
		if out := c.must("jump", "echo there"); out != "there\n" {
			t.Errorf("not permitted: %q", out)
		}
		if out := c.must("-o", "PermitLocalCommand=yes", "jump", "echo there"); out != local+"there\n" {
			t.Errorf("permitted: %q", out)
		}
		r := c.run("-o", "PermitLocalCommand=yes", "-o", "LocalCommand=exit 3", "jump", "echo there")
		if r.code != 0 || r.out != "there\n" {
			t.Errorf("one that fails: %+v", r)
		}
	})
}

// TestSSHStandardInput is not read with -n, -f and StdinNull.
func TestSSHStandardInput(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		for _, args := range [][]string{{"-n"}, {"-o", "StdinNull=yes"}, {"-f"}, {}} {
			in := filepath.Join(t.TempDir(), "in")
			writeFile(t, in, "data\n")
			file, err := os.Open(in)
			if err != nil {
				t.Fatal(err)
			}
			cmd := c.cmd(append(args, "jump", "cat; echo end")...)
			cmd.Stdin = file
			r := c.end(cmd)
			read, _ := file.Seek(0, 1)
			file.Close()
			want, wantRead := "end\n", int64(0)
			if len(args) == 0 {
				want, wantRead = "data\nend\n", 5
			}
			if r.code != 0 || r.out != want || read != wantRead {
				t.Errorf("%q: %+v, %d bytes read", args, r, read)
			}
		}
	})
}

// TestSSHBackground goes there with -f when the question is answered and the
// forward is there.
func TestSSHBackground(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := sshtest.NewChain(t, sshtest.HostConfig{Name: "host", Auth: sshtest.Password})
		c.use(chain)
		there := lateEcho(t, "tcp", "127.0.0.1:0")
		here := sshtest.RefusedPort(t)
		// The terminal's session goes on, as with a shell.
		c.before = []string{"sh", "-c", `"$@"; echo status $?; read x`, "sh"}
		con := c.tty("-f", "-N", "-L", here+":"+there, "host")
		con.Expect("'s password: ", soon)
		con.Send(chain.Host("host").Account.Password + "\r")
		con.Expect("status 0", soon)
		wantEcho(t, "tcp", here)
		con.Send("\r")
		con.Wait(soon)
		wantEcho(t, "tcp", here) // without its terminal
		c.before = nil
		left := c.processes()
		if len(left) != 1 {
			t.Errorf("in the background: %v", left)
		}
		for _, p := range left {
			syscall.Kill(p.PID, syscall.SIGTERM)
		}
		if r := c.run("-f", "-o", "BatchMode=yes", "host", "true"); r.code != 255 {
			t.Errorf("one that cannot log in: %+v", r)
		}
		r := c.run("-f", "-N", "-o", "ExitOnForwardFailure=yes", "-L", there+":"+there, "host")
		if r.code != 255 {
			t.Errorf("one that cannot listen: %+v", r)
		}
	})
}

// TestSSHBackgroundLetsGo of the output with -f -N, as scripts rely on that
// wait for its end: x=$(ssh -f -N …). Debug messages still go there.
func TestSSHBackgroundLetsGo(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		c.use(oneJump(t))
		for _, args := range [][]string{{"-f", "-N"}, {"-f", "-N", "-v", "-E", filepath.Join(t.TempDir(), "log")}} {
			r := c.run(append(args, "jump")...)
			if r.code != 0 || r.out+r.err != "" || r.took >= soon {
				t.Errorf("%q: %+v", args, r)
			}
		}
		said := strings.Builder{}
		cmd := c.cmd("-f", "-N", "-v", "jump")
		cmd.Stderr = &said
		cmd.WaitDelay = time.Second
		if err := cmd.Run(); !errors.Is(err, exec.ErrWaitDelay) || !strings.Contains(said.String(), "debug1: ") {
			t.Errorf("-v: %v\n%s", err, said.String())
		}
		for _, p := range c.processes() {
			syscall.Kill(p.PID, syscall.SIGTERM)
		}
	})
}

// TestSSHIgnoredSignals end nothing: those of a program under nohup, and of a
// job that a script started in the background.
func TestSSHIgnoredSignals(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		c.use(oneJump(t))
		c.before = []string{"sh", "-c", `trap "" HUP INT QUIT; exec "$@"`, "sh"}
		l := c.start("jump", "echo here; read x; echo $x")
		l.expect("here\n")
		for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
			l.cmd.Process.Signal(s)
		}
		io.WriteString(l.in, "there\n")
		if code := l.wait(soon); code != 0 || !strings.HasSuffix(l.out.String(), "there\n") {
			t.Errorf("exit code %d, stdout %q, stderr %q", code, l.out, l.err)
		}
	})
}

// TestSSHQuit ends the command as ^C does, and says nothing.
func TestSSHQuit(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		c.use(oneJump(t))
		l := c.start("jump", "echo here; read x")
		l.expect("here\n")
		l.cmd.Process.Signal(syscall.SIGQUIT)
		want := 255
		if c.ours() {
			want = 128 + int(syscall.SIGQUIT)
		}
		if code := l.wait(soon); code != want || l.err.String() != "" {
			t.Errorf("exit code %d, stderr %q", code, l.err)
		}
	})
}

// TestSSHNoTerminal has a server that gives none: a shell goes on without, and
// a command that one was asked for ends.
func TestSSHNoTerminal(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		chain.Host("jump").SetExtra("PermitTTY no")
		c.use(chain)
		for _, args := range [][]string{{"-tt", "jump", "echo in"}, {"-o", "RequestTTY=force", "jump", "echo in"}} {
			c.fails([]string{"PTY allocation request failed", "pty-req request refused"}, args...)
		}
		con := c.tty("-t", "jump", "echo in")
		if code := con.Wait(soon); code != 255 {
			t.Errorf("-t: exit code %d\n%s", code, con.Transcript())
		}
		con = c.tty("jump")
		con.Expect("request ", soon)    // is refused, or has failed
		con.Send("echo i''n; exit 3\n") // the terminal may still be in raw mode
		con.Expect("in", soon)
		if code := con.Wait(soon); code != 3 {
			t.Errorf("a shell: exit code %d\n%s", code, con.Transcript())
		}
	})
}

// TestSSHBackgroundJob of a shell runs until somebody types: its first attempt
// to read from the terminal would stop it.
func TestSSHBackgroundJob(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		c.use(oneJump(t))
		c.before = []string{"sh", "-c", `set -m; "$@" & wait $!; echo status $?`, "sh"}
		con := c.tty("jump", "sleep 0.2; echo in")
		con.Expect("in\r\n", soon)
		con.Expect("status 0", soon)
		con.Wait(soon)
	})
}
