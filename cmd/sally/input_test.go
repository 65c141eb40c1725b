package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"sallyport/internal/sshtest"
)

// TestInterruptedInput presses ^C at what waits for somebody to type.
func TestInterruptedInput(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host a\n  HostName 127.0.0.1\n  ControlMaster yes\nHost b\n  ProxyJump a\n")
	text := readFile(t, u.config)
	for _, args := range [][]string{{"setup"}, {"doctor", "--fix"}} {
		c := u.tty(args...)
		c.Expect("Do this?", soon)
		wantInterrupted(t, c)
	}
	if readFile(t, u.config) != text {
		t.Error("the configuration was changed")
	}

	dir := t.TempDir()
	kept := func() []string {
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		return files
	}
	cmd := u.cmd("run", "a", "--stdin", "--", "true")
	cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	c := sshtest.Tty(t, cmd)
	c.Send("typed\r")
	await(t, "the line is read", func() bool {
		for _, file := range kept() {
			if text, _ := os.ReadFile(file); string(text) == "typed\n" {
				return true
			}
		}
		return false
	})
	wantInterrupted(t, c)
	if left := kept(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func wantInterrupted(t *testing.T, c *sshtest.Console) {
	t.Helper()
	c.Send("\x03")
	if code := c.Wait(soon); code != 130 {
		t.Errorf("exit code %d\n%s", code, c.Transcript())
	}
}
