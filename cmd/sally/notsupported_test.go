package main_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// TestNothingIsIgnoredSilently: what is asked for and not there is told in a
// line that names the keyword, once, and not when it is not asked for.
func TestNothingIsIgnoredSilently(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	for _, test := range []struct{ flags, want string }{
		{"-oVerifyHostKeyDNS=yes", "VerifyHostKeyDNS: no DNSSEC lookup is made here, the key is checked against known_hosts"},
		{"-oVerifyHostKeyDNS=ask", "VerifyHostKeyDNS: no DNSSEC lookup is made here, the key is checked against known_hosts"},
		{"-I/lib/token.so", `PKCS11Provider: it is not loaded; "ssh-add -s PROVIDER" puts its keys into the agent`},
		{"-oPubkeyAuthentication=unbound", "PubkeyAuthentication: unbound and host-bound are as yes"},
		{"-oKbdInteractiveDevices=pam", "KbdInteractiveDevices: the server chooses"},
		{"-oLogVerbose=kex.c:*:1", "LogVerbose: there are -v, -vv and -vvv only"},
	} {
		want := "sally: warning: target: " + test.want + "\n"
		if r := u.sally(test.flags, "target", "echo on"); r.code != 0 || r.out != "on\n" || r.err != want {
			t.Errorf("%s: %+v, want %q", test.flags, r, want)
		}
	}
	for _, flags := range [][]string{{"-q"}, {"-oLogLevel=ERROR"}} {
		u.must(append(flags, "-oVerifyHostKeyDNS=yes", "target", "true")...)
	}
	for _, none := range []string{"VerifyHostKeyDNS=no", "LogVerbose=none",
		"PKCS11Provider=none", "Tunnel=no", "PubkeyAuthentication=yes"} {
		u.must("-o", none, "target", "true")
	}
	for _, flags := range [][]string{{"-w", "any"}, {"-oTunnel=ethernet"}} {
		for _, face := range [][]string{nil, {"ssh"}, {"--no-daemon"}} {
			r := u.sally(slices.Concat(face, flags, []string{"target", "echo on"})...)
			if r.code != 255 || r.out != "" || !strings.HasSuffix(r.err, ": target: Tunnel: tunnel devices are not supported; plain ssh has them\n") {
				t.Errorf("%q %q: %+v", face, flags, r)
			}
		}
	}
}

// TestGapsOfAChain: one line names the hops, also for up; what concerns a
// session only is not told of a jump host, nor by up. Debian's defaults ask
// for nothing.
func TestGapsOfAChain(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	original := readFile(t, c.ConfigFile())
	writeFile(t, c.ConfigFile(), original+"\nHost *\n  SendEnv LANG LC_*\n  HashKnownHosts yes\n  GSSAPIAuthentication yes\n")
	u.must("target", "true")
	u.must("ssh", "target", "true")
	writeFile(t, c.ConfigFile(), original+"\nHost *\n  VerifyHostKeyDNS yes\n  LogVerbose kex.c:*:1\n  RhostsRSAAuthentication yes\n")
	hops := "sally: warning: target, jump: VerifyHostKeyDNS: no DNSSEC lookup is made here, the key is checked against known_hosts\n"
	file := fmt.Sprintf("%s line %d: ", c.ConfigFile(), strings.Count(original, "\n")+5)
	for _, args := range [][]string{{"target", "true"}, {"up", "target"}} {
		r := u.sally(args...)
		first, rest, _ := strings.Cut(r.err, "\n")
		want := hops
		if args[0] == "target" {
			want += "sally: warning: target: LogVerbose: there are -v, -vv and -vvv only\n"
		}
		if r.code != 0 || rest != want || !strings.HasPrefix(first, file) {
			t.Errorf("%q: %+v, want %q", args, r, want)
		}
	}
	r := u.sally("ssh", "-f", "target", "true")
	if r.code != 0 || strings.Count(r.err, "VerifyHostKeyDNS") != 1 {
		t.Errorf("-f: %+v", r)
	}
	if r := u.sally("check", "target"); r.code != 0 || r.err != "" {
		t.Errorf("check: %+v", r)
	}
}

// TestControlWithoutPath: -O asks the daemon where no ControlPath is.
func TestControlWithoutPath(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	if r := u.sally("-O", "check", "target"); r.code != 255 || r.err != "sally: target: no daemon is running\n" {
		t.Errorf("without a daemon: %+v", r)
	}
	session := u.start("target", "echo running; cat")
	session.expect("running")
	if out := u.must("-O", "check", "target"); !strings.HasPrefix(out, "target: alive, round trip ") {
		t.Errorf("check: %q", out)
	}
	if out := u.must("-O", "stop", "target"); out != "target: closes with its last session\n" {
		t.Errorf("stop: %q", out)
	}
	if m := u.master("target"); m == nil || m.State != "draining" || m.Sessions != 1 {
		t.Errorf("after stop: %+v", m)
	}
	u.must("target", "true") // a new connection
	if n := c.Host("target").AcceptedLogins(); n != 2 {
		t.Errorf("%d logins on the target", n)
	}
	if out := u.must("-O", "exit", "target"); out != "target: closed\n" {
		t.Errorf("exit: %q", out)
	}
	// Every connection of the route is closed, the one that was to go by itself too.
	if code := session.wait(soon); code != 255 || !strings.Contains(session.err.String(), "target: connection closed") {
		t.Errorf("the old session: exit code %d, stderr %q", code, session.err)
	}
	if r := u.sally("-O", "exit", "target"); r.code != 255 || r.err != "sally: target: not connected\n" {
		t.Errorf("exit again: %+v", r)
	}
	if r := u.sally("-O", "forward", "-L", "1:x:1", "target"); r.code != 255 || r.err != "sally: -O forward needs a ControlPath; check, exit and stop do without\n" {
		t.Errorf("forward: %+v", r)
	}
	if r := u.sally("ssh", "-O", "check", "target"); r.code != 255 || !strings.Contains(r.err, "No ControlPath specified") && !strings.Contains(r.err, "no ControlPath specified") {
		t.Errorf("ssh's face: %+v", r)
	}
}
