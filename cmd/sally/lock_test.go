package main_test

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// TestLock: what runs goes on, and nothing new does, whoever asks for it; after
// unlock all is as before, over the same connections.
func TestLock(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"}, sshtest.HostConfig{Name: "other", Via: "jump"})
	u := newUser(t, c)
	socket := "ControlPath=" + filepath.Join(u.dir, "%C")
	echo := sshtest.NewPeer(t, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	port := sshtest.RefusedPort(t)
	u.must("forward", "add", "target", "-L", port+":"+echo.Addr)
	through, err := net.Dial("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	defer through.Close()
	echoes := func(conn net.Conn, text string) error {
		back := make([]byte, len(text))
		fmt.Fprint(conn, text)
		_, err := io.ReadFull(conn, back)
		return err
	}
	if err := echoes(through, "before"); err != nil {
		t.Fatal(err)
	}
	session := u.start("-o", socket, "target", "echo running; cat")
	session.expect("running")

	u.must("lock")
	if s := u.must("status"); !strings.Contains(s, "\nlocked, for ") {
		t.Errorf("status: %s", s)
	}
	const refusal = "sally is locked"
	for _, args := range [][]string{{"target", "true"}, {"other", "true"}, {"up", "other"}, {"up", "target"}, {"-W", echo.Addr, "target"}, {"-N", "target"}} {
		if r := u.sally(args...); r.code == 0 || !strings.Contains(r.err, refusal) {
			t.Errorf("%q: %+v", args, r)
		}
	}
	stock := c.SSH("-o", socket, "target", "true")
	if r := u.run(stock); r.code != 255 || !strings.Contains(r.err, refusal) {
		t.Errorf("stock ssh: %+v", r)
	}
	if conn, err := net.Dial("tcp", port); err == nil {
		if err := echoes(conn, "new"); err == nil {
			t.Error("a new connection over the forward works")
		}
		conn.Close()
	}
	if err := echoes(through, "still"); err != nil {
		t.Errorf("the connection over the forward: %v", err)
	}
	fmt.Fprintln(session.in, "still here")
	session.expect("still here")
	u.must("check", "target")

	u.must("unlock")
	u.must("target", "true")
	u.must("other", "true")
	session.in.Close()
	if code := session.wait(soon); code != 0 {
		t.Errorf("the session: exit code %d, stderr %q", code, session.err)
	}
	wantOneLogin(t, c, "jump", "target", "other")
}

// TestLockWithPassphrase is unlocked by who knows it only.
func TestLockWithPassphrase(t *testing.T) {
	t.Parallel()
	c := oneJump(t)
	u := newUser(t, c)
	u.must("jump", "true")
	ask := func(verb []string, answers ...string) (string, int) {
		con := u.tty(verb...)
		for _, answer := range answers {
			con.Expect(": ", soon)
			con.Send(answer + "\r")
		}
		code := con.Wait(soon)
		return con.Transcript(), code
	}
	if said, code := ask([]string{"lock", "--passphrase"}, "open sesame", "open sesam"); code != 1 || !strings.Contains(said, "not the same") {
		t.Errorf("mistyped: %d %s", code, said)
	}
	u.must("jump", "true")
	if said, code := ask([]string{"lock", "--passphrase"}, "open sesame", "open sesame"); code != 0 || strings.Contains(said, "sesame") {
		t.Errorf("lock: %d %s", code, said)
	}
	wantError(t, u.sally("unlock"), "nobody to ask")
	wantError(t, u.sally("lock", "--passphrase"), "nobody to ask")
	if said, code := ask([]string{"lock", "--passphrase"}, "mine", "mine"); code != 1 || !strings.Contains(said, "locked already") {
		t.Errorf("a second passphrase: %d %s", code, said)
	}
	if said, code := ask([]string{"unlock"}, "open"); code != 1 || !strings.Contains(said, "not the passphrase") {
		t.Errorf("a wrong one: %d %s", code, said)
	}
	if r := u.sally("jump", "true"); r.code != 255 {
		t.Errorf("after a wrong one: %+v", r)
	}
	if said, code := ask([]string{"unlock"}, "open sesame"); code != 0 {
		t.Errorf("unlock: %d %s", code, said)
	}
	u.must("jump", "true")
	if logs := u.must("logs", "-v"); strings.Contains(logs, "sesame") {
		t.Error("the log has the passphrase")
	}
	wantOneLogin(t, c, "jump")
}
