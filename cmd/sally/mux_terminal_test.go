package main_test

import (
	"fmt"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// TestTypingAfterSessions types in sessions and, as soon as each has ended, in
// the shell that ran it: no key is lost, doubled or eaten, and the terminal's
// modes stay.
func TestTypingAfterSessions(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	for _, client := range []string{"ssh", program} {
		u := setUp(t, c)
		shell := u.stock("sh", "-i")
		shell.SysProcAttr = nil
		shell.Env = append(shell.Env, "PS1=> ", "ENV=")
		console := sshtest.Tty(t, shell)
		console.Expect("> ", soon)
		before := console.Termios()
		for i := range typingRounds {
			console.Send(fmt.Sprintf("%s -F %s -t target 'read x; echo got-$x-$((%d+1))'\r", client, u.config, i))
			// The echo of what was typed has the arithmetic, the answer its value.
			console.Expect("\r\n", soon)
			await(t, "the session reads", func() bool { return isRaw(console.Termios()) })
			console.Send(fmt.Sprintf("line%d\r", i))
			console.Expect(fmt.Sprintf("got-line%d-%d", i, i+1), soon)
			console.Expect("> ", soon) // what is typed before belongs to the session
			console.Send(fmt.Sprintf("echo parent-$((%d+1000))\r", i))
			console.Expect(fmt.Sprintf("parent-%d\r\n", i+1000), soon)
			console.Expect("> ", soon)
		}
		if now := console.Termios(); now != before {
			t.Errorf("terminal was %+v and is %+v", before, now)
		}
		if strings.Contains(console.Output(), "not found") {
			t.Errorf("a command was garbled: %s", console.Transcript())
		}
		console.Send("exit\r")
		if code := console.Wait(soon); code != 0 {
			t.Errorf("exit code %d", code)
		}
		u.must("setup", "--remove", "--yes")
	}
}
