package main_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestSignalsEndWhatHangs: the first signal cannot reach a read of a FIFO that
// somebody keeps open, another one ends the command.
func TestSignalsEndWhatHangs(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host a\n")
	for _, args := range [][]string{{"ls"}, {"a", "true"}, {"ssh", "a", "true"}} {
		fifo := filepath.Join(t.TempDir(), "config")
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := u.cmd(args...)
		cmd.Args[2] = fifo // behind -F
		l := u.begin(cmd)
		var writer *os.File
		await(t, "it reads", func() bool {
			var err error
			writer, err = os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			return err == nil
		})
		defer writer.Close()
		start := time.Now()
		if !poll(soon, func() bool {
			cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-l.done:
				return true
			case <-time.After(50 * time.Millisecond):
				return false
			}
		}) {
			t.Fatalf("%q: it goes on after %v", args, time.Since(start))
		}
		if code, took := l.wait(soon), time.Since(start); code != 143 || took < 900*time.Millisecond || l.err.String() != "" {
			t.Errorf("%q: exit code %d after %v, stderr %q", args, code, took, l.err)
		}
	}
}
