package main_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// TestGuide does what docs/guide.md says: from an empty configuration to a
// chain of two jump hosts, the first of which wants a second factor.
func TestGuide(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t,
		sshtest.HostConfig{Name: "bastion", Auth: sshtest.KeyboardInteractive},
		sshtest.HostConfig{Name: "gate"}, sshtest.HostConfig{Name: "web1"})
	u := newConfigured(t, "")
	known := filepath.Join(t.TempDir(), "known_hosts")
	add := func(name string, more ...string) {
		t.Helper()
		h := c.Host(name)
		host, port, err := net.SplitHostPort(h.Addr)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"add", name, "--host", host, "--port", port, "--user", h.User(), "-o", "UserKnownHostsFile=" + known, "-o", "IdentityAgent=none"}
		if h.IdentityFile() != "" {
			args = append(args, "--identity", h.IdentityFile())
		}
		u.must(append(args, more...)...)
	}
	add("bastion")
	add("gate", "--jump", "bastion")
	add("web1", "--jump", "gate", "--tag", "prod")
	if out := u.must("show", "web1"); !strings.HasPrefix(out, "bastion → gate → web1\n") {
		t.Errorf("%s", out)
	}

	con := u.tty("web1", "echo through")
	trust := func(name string) {
		t.Helper()
		con.Expect(c.Host(name).Fingerprint(), soon)
		con.Expect("(yes/no/[fingerprint])?", soon)
		con.Send("yes\r")
	}
	trust("bastion")
	con.Expect("Password: ", soon)
	con.Send(c.Host("bastion").Account.Password + "\r")
	con.Expect("One-time password", soon)
	con.Send(c.Host("bastion").Code() + "\r")
	trust("gate")
	trust("web1")
	con.Expect("through", soon)
	if code := con.Wait(soon); code != 0 {
		t.Fatalf("exit code %d\n%s", code, con.Transcript())
	}
	if out := u.must("web1", "echo again"); out != "again\n" {
		t.Errorf("%q", out)
	}
	if out := u.must("ls", "--tag", "prod"); !strings.Contains(out, "[prod], up\n") {
		t.Errorf("%q", out)
	}
	wantOneLogin(t, c, "bastion", "gate", "web1")
	// Stock ssh has the same hosts.
	if got := u.sshG("web1"); !strings.Contains(got, "\nproxyjump gate\n") {
		t.Errorf("%s", got)
	}
}
