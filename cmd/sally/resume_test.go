package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// resumable is jump → target, with a proxy before the jump, where tmux and
// screen have their sockets in a directory of the test's.
func resumable(t *testing.T) (*sshtest.Chain, *sshtest.Proxy, *user) {
	var proxy *sshtest.Proxy
	through := func(addr string) string {
		proxy = sshtest.NewProxy(t, addr)
		return proxy.Addr
	}
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump", Through: through},
		sshtest.HostConfig{Name: "target", ExtraConfig: []string{"AcceptEnv TMUX_TMPDIR SCREENDIR"}})
	sockets := filepath.Join(c.Dir(), "s")
	if err := os.Mkdir(sockets, 0o700); err != nil {
		t.Fatal(err)
	}
	env := "SetEnv TMUX_TMPDIR=" + sockets + " SCREENDIR=" + sockets
	config := filepath.Join(c.Dir(), "resume")
	writeFile(t, config, "IgnoreUnknown ResumeWith\nHost target\n    "+env+"\n"+c.Config())
	return c, proxy, newUserWith(t, config)
}

// TestResumeSession loses the connection under a shell that is resumed: it
// comes back by itself, with all that ran in it.
func TestResumeSession(t *testing.T) {
	t.Parallel()
	for tool, args := range map[string][]string{
		"tmux": {"--resume", "tmux", "target"}, "screen": {"-o", "ResumeWith=screen:work", "target"}, "auto": {"--resume=auto:any", "target"},
	} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			sshtest.Require(t, "tmux", "screen")
			_, proxy, u := resumable(t)
			con := u.tty(args...)
			con.Send("KEPT=va''lue; echo be''gun\r")
			con.Expect("begun", soon)
			proxy.Reset()
			con.Expect("connection lost; coming back to the session", soon)
			con.Send("\recho it is $KEPT.\r")
			con.Expect("it is value.", soon)
			// A second time, and the first command attaches to it as well.
			proxy.Reset()
			con.Expect("connection lost; coming back to the session", soon)
			con.Send("\recho again $KEPT.\r")
			con.Expect("again value.", soon)
			con.Send("exit\r")
			if code := con.Wait(soon); code != 0 {
				t.Errorf("exit code %d\n%s", code, con.Transcript())
			}
		})
	}
}

// TestResumeEnds: nothing comes back that was ended on purpose.
func TestResumeEnds(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "tmux")
	_, _, u := resumable(t)
	for what, end := range map[string]func(*sshtest.Console){
		"the escape key": func(con *sshtest.Console) { con.Send("\r~.") },
		"sally down":     func(*sshtest.Console) { u.must("down", "target") },
	} {
		con := u.tty("--resume", "tmux", "target")
		con.Send("echo be''gun\r")
		con.Expect("begun", soon)
		end(con)
		if code := con.Wait(soon); code != 255 || strings.Contains(con.Transcript(), "coming back") {
			t.Errorf("%s: exit code %d\n%s", what, code, con.Transcript())
		}
	}
	if out := u.must("--resume", "tmux", "target", "echo a command is none of it"); out != "a command is none of it\n" {
		t.Errorf("a command: %q", out)
	}
	if r := u.sally("--resume", "emacs", "target"); r.code != 255 || !strings.Contains(r.err, "emacs") {
		t.Errorf("%+v", r)
	}
}

// TestResumeWaits for a host that is down to be there again.
func TestResumeWaits(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "tmux")
	c, _, u := resumable(t)
	con := u.tty("--resume", "tmux", "target")
	con.Send("KEPT=va''lue; echo be''gun\r")
	con.Expect("begun", soon)
	c.Host("jump").Kill()
	con.Expect("connection lost; coming back to the session", soon)
	con.Expect("sally: jump (", soon)
	c.Host("jump").Restart()
	con.Send("\recho it is $KEPT.\r")
	con.Expect("it is value.", soon)
	con.Send("exit\r")
	con.Wait(soon)
}
