package lab

import (
	"bufio"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal runs a shell on the target under a local pty.
type terminal struct {
	t   *testing.T
	pty *os.File
	in  *bufio.Reader
}

func openTerminal(t *testing.T, n *Network, args ...string) (*terminal, func() error) {
	t.Helper()
	cmd := n.sshCommand(t.Context(), args...)
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 33, Cols: 101})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	watchdog := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	t.Cleanup(func() { watchdog.Stop() })
	return &terminal{t, f, bufio.NewReader(f)}, cmd.Wait
}

// expect reads until a line contains text.
func (c *terminal) expect(text string) {
	c.t.Helper()
	var seen strings.Builder
	for !strings.Contains(seen.String(), text) {
		b, err := c.in.ReadByte()
		if err != nil {
			c.t.Fatalf("want %q, got %q, then %v", text, seen.String(), err)
		}
		seen.WriteByte(b)
	}
}

func (c *terminal) send(text string) {
	c.t.Helper()
	if _, err := c.pty.WriteString(text); err != nil {
		c.t.Fatal(err)
	}
}

func TestShellOnAPty(t *testing.T) {
	n := startLab(t, Options{})
	c, wait := openTerminal(t, n, "target")
	c.expect("demo@target$ ")
	c.send("stty size; tty\r")
	c.expect("33 101\r\n/dev/pts/")
	c.expect("$ ")
	c.send("until stty size | grep '44 122'; do sleep 0.1; done\r")
	if err := pty.Setsize(c.pty, &pty.Winsize{Rows: 44, Cols: 122}); err != nil {
		t.Fatal(err)
	}
	c.expect("44 122")
	c.send("sh -c 'trap \"exit 3\" INT; echo re\"\"ady; while :; do sleep 1; done'\r")
	c.expect("ready")
	c.send("\x03")
	c.expect("$ ")
	c.send("exit 9\r")
	c.expect("exit 9\r\n")
	if err := wait(); err == nil || err.Error() != "exit status 9" {
		t.Errorf("shell ended with %v", err)
	}
}

func TestPtyEndsThoughSomethingHoldsIt(t *testing.T) {
	n := startLab(t, Options{Jumps: 1})
	c, wait := openTerminal(t, n, "-t", "target", "trap '' HUP; sleep 600 & echo bye")
	c.expect("bye")
	if err := wait(); err != nil {
		t.Error(err)
	}
}
