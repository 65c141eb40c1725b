package main_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// twoJumps is jump1 → jump2 → target, all with plain keys.
func twoJumps(t testing.TB) *sshtest.Chain {
	t.Helper()
	return sshtest.NewChain(t, sshtest.HostConfig{Name: "jump1"}, sshtest.HostConfig{Name: "jump2"}, sshtest.HostConfig{Name: "target"})
}

// wantOneLogin fails unless each host saw one connection and one login.
func wantOneLogin(t testing.TB, c *sshtest.Chain, hosts ...string) {
	t.Helper()
	for _, name := range hosts {
		if h := c.Host(name); h.Connections() != 1 || h.AcceptedLogins() != 1 {
			t.Errorf("%s saw %d connections and %d logins, want 1 and 1", name, h.Connections(), h.AcceptedLogins())
		}
	}
}

func TestCommandsAndExitStatuses(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	cases := []struct {
		command string
		code    int
		out     string
	}{
		{"echo from the target", 0, "from the target\n"},
		{"exit 0", 0, ""},
		{"echo seven; exit 7", 7, "seven\n"},
		{"exit 255", 255, ""},
		{"kill -TERM $$", 255, ""}, // a signal is no status, ssh(1)
	}
	for _, tc := range cases {
		r := u.sally("target", tc.command)
		if r.code != tc.code || r.out != tc.out || r.err != "" {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q; want %d and %q", tc.command, r.code, r.out, r.err, tc.code, tc.out)
		}
	}
	wantOneLogin(t, c, "jump1", "jump2", "target")
}

// Nothing but the connection through the jumps leads to the target: with the
// second jump's forwarding off there is no other way.
func TestTheWayLeadsThroughTheJumps(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	c.Host("jump2").SetExtra("AllowTcpForwarding no")
	u := newUser(t, c)
	r := u.sally("target", "true")
	if r.code != 255 || c.Host("target").Connections() != 0 {
		t.Errorf("exit code %d, %d connections at the target", r.code, c.Host("target").Connections())
	}
	wantError(t, r, "target ("+c.Host("target").Addr+") via jump2: open: ", "prohibited", "AllowTcpForwarding yes")
}

func TestShell(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	con := newUser(t, c).tty("target")
	con.Send("echo sh''ell-$((6*7)) $TERM; tty; stty size\r")
	con.Expect("shell-42 xterm", soon)
	con.Expect("/dev/pts/", soon)
	con.Expect("24 80", soon)
	con.Send("exit 3\r")
	if code := con.Wait(soon); code != 3 {
		t.Errorf("exit code %d\n%s", code, con.Transcript())
	}
	wantOneLogin(t, c, "jump1", "jump2", "target")
}

// TestLargeTransfer sends 200 MB of random bytes to the target and gets them
// back; the target computes a checksum of its own.
func TestLargeTransfer(t *testing.T) {
	t.Parallel()
	const size = 200 << 20
	c := twoJumps(t)
	u := newUser(t, c)
	file := filepath.Join(c.Dir(), "copy")
	sent, back := sha256.New(), sha256.New()

	put := u.cmd("target", "tee '"+file+"' | sha256sum")
	put.Stdin = io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), size), sent)
	r := u.run(put)
	there, _, _ := strings.Cut(r.out, " ")
	if want := fmt.Sprintf("%x", sent.Sum(nil)); r.code != 0 || there != want {
		t.Fatalf("exit code %d, checksum on the target %q, want %q; stderr %q", r.code, there, want, r.err)
	}

	get := u.cmd("target", "cat '"+file+"'")
	count := &counter{}
	get.Stdout = io.MultiWriter(back, count)
	if r := u.run(get); r.code != 0 || r.err != "" {
		t.Fatalf("exit code %d, stderr %q", r.code, r.err)
	}
	if got := fmt.Sprintf("%x", back.Sum(nil)); got != there || count.n != size {
		t.Errorf("%d bytes came back with checksum %s; want %d with %s", count.n, got, size, there)
	}
	wantOneLogin(t, c, "jump1", "jump2", "target")
}

type counter struct{ n int }

func (c *counter) Write(p []byte) (int, error) { c.n += len(p); return len(p), nil }
