package sshtest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const soon = 20 * time.Second

func TestConsoleConverses(t *testing.T) {
	LeakCheck(t)
	con := Tty(t, exec.Command("sh", "-c", `echo a; echo b; read x; echo "got $x"; exit 5`))
	if got := con.Expect("b", soon); got != "a\r\nb" {
		t.Errorf("%q", got)
	}
	con.Send("word\r")
	con.Expect("got word", soon)
	if status := con.Wait(soon); status != 5 {
		t.Errorf("status %d", status)
	}
	if want := "a\r\nb\r\nword\r\ngot word\r\n"; con.Output() != want {
		t.Errorf("got %q, want %q", con.Output(), want)
	}
}

func TestConsoleIsATerminal(t *testing.T) {
	con := Tty(t, exec.Command("sh", "-c", "tty; stty size; stty -echo; until stty size | grep '7 9'; do sleep 0.05; done; exec sleep 600"))
	con.Expect("/dev/pts/", soon)
	con.Expect("24 80", soon)
	con.Resize(9, 7)
	con.Expect("7 9", soon)
	if con.Termios().Lflag&unix.ECHO != 0 {
		t.Error("stty -echo is not seen")
	}
	con.Send("\x03")
	if status := con.Wait(soon); status != -int(syscall.SIGINT) {
		t.Errorf("status %d, want minus SIGINT", status)
	}
}

// The terminal is the controlling one for programs whose streams are elsewhere,
// as for a prompt of ssh in a pipeline.
func TestConsoleWithOtherStreams(t *testing.T) {
	LeakCheck(t)
	var out, errOut strings.Builder
	cmd := exec.Command("sh", "-c", "cat; echo prompt >/dev/tty; read x </dev/tty; echo $x")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("in "), &out, &errOut
	con := Tty(t, cmd)
	con.Expect("prompt", soon)
	con.Send("secret\r")
	if status := con.Wait(soon); status != 0 || out.String() != "in secret\n" {
		t.Errorf("status %d, %q, %q", status, out.String(), errOut.String())
	}
}

func TestConsoleFailsWithATranscript(t *testing.T) {
	for command, want := range map[string]string{
		"echo hello; exec sleep 600": `no "bye" within`,
		"echo hello":                 `want "bye", but the terminal was closed`,
	} {
		fake := inFake(t, func(t testing.TB) {
			Tty(t, exec.Command("sh", "-c", command)).Expect("bye", 2*time.Second)
		})
		if !strings.Contains(fake.said, want) || !strings.Contains(fake.said, `"hello\r\n"`) {
			t.Errorf("want %q and the transcript, got %q", want, fake.said)
		}
	}
	fake := inFake(t, func(t testing.TB) {
		Tty(t, exec.Command("sleep", "600")).Wait(50 * time.Millisecond)
	})
	if !strings.Contains(fake.said, "still running") {
		t.Errorf("%q", fake.said)
	}
}

func TestProcessesWithFindsTheDetached(t *testing.T) {
	LeakCheck(t)
	setting := "SSHTEST_PROCESS=" + randomHex(4)
	cmd := exec.Command("sh", "-c", "setsid sleep 613 & echo; wait")
	cmd.Env = append(os.Environ(), setting)
	con := Tty(t, cmd)
	found := func() bool {
		for _, p := range ProcessesWith(setting) {
			if p.Command == "sleep 613" {
				return true
			}
		}
		return false
	}
	if !poll(soon, found) {
		t.Errorf("found only %v", ProcessesWith(setting))
	}
	for _, p := range ProcessesWith(setting) {
		unix.Kill(p.PID, unix.SIGKILL)
	}
	con.Wait(soon)
	if left := ProcessesWith(setting); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
