package main_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// TestVerbsTakeDestinations: user and port, as a URI too, and ssh's flags
// before and behind the verb, name the connection that a session with the same
// would use.
func TestVerbsTakeDestinations(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	target, user := c.Host("target"), c.Host("target").User()
	_, port, _ := net.SplitHostPort(target.Addr)
	for _, like := range [][]string{
		{"target"}, {user + "@target"}, {"ssh://" + user + "@target:" + port}, {"-l", user, "-p", port, "target"},
		{"-o", "User=" + user, "target"}, {"-oPort=" + port, "target"},
	} {
		flags, host := like[:len(like)-1], like[len(like)-1:]
		before := func(verb string) []string { return slices.Concat(flags, []string{verb}, host) }
		behind := func(verb string) []string { return slices.Concat([]string{verb}, host, flags) }
		if out := u.must(before("up")...); !strings.HasPrefix(out, "target: up in ") {
			t.Errorf("up %q: %q", like, out)
		}
		if out := u.must(behind("up")...); !strings.HasPrefix(out, "target: already up") {
			t.Errorf("up %q: %q", like, out)
		}
		u.must(append(slices.Clone(like), "true")...)
		if out := u.must(behind("check")...); !strings.HasPrefix(out, "target: alive") {
			t.Errorf("check %q: %q", like, out)
		}
		if out := u.must(before("logs")...); !strings.Contains(out, "target: master up") {
			t.Errorf("logs %q: %q", like, out)
		}
		wantUp(t, u, "jump", "target")
		if out := u.must(before("down")...); out != "target: closed\n" {
			t.Errorf("down %q: %q", like, out)
		}
	}
	// Another way is another connection.
	u.must("up", "target")
	u.must("up", "-o", "HashKnownHosts=yes", "-J", "none", "target")
	u.must("target", "true")
	if r := u.sally("-o", "Port=1", "down", "target"); r.code != 1 || r.err != "sally: target: not connected\n" {
		t.Errorf("down of another port: %+v", r)
	}
	u.must("-J", "none", "down", "target")
	u.must("check", "target")
	if r := u.sally("up", "-i", "/no/such", "target"); r.code != 0 || r.err != "Warning: Identity file /no/such not accessible: No such file or directory.\n" {
		t.Errorf("-i: %+v", r)
	}
}

// TestVerbUsage: our own words, and exit code 2.
func TestVerbUsage(t *testing.T) {
	t.Parallel()
	u := newUserWith(t, "none")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"up"}, "up needs at least one host"},
		{[]string{"-o", "Port=22", "up"}, "up needs at least one host"},
		{[]string{"down"}, "down needs at least one host, or --all"},
		{[]string{"down", "--all", "web1"}, "down needs at least one host, or --all"},
		{[]string{"check"}, "check needs at least one host"},
		{[]string{"logs", "a", "b"}, "logs takes one host"},
		{[]string{"status", "web1"}, "status takes no arguments"},
		{[]string{"quit", "now"}, "quit takes no arguments"},
		{[]string{"-N", "up", "web1"}, `up takes no -N ("sally up --help" lists its flags; a host of that name is reached by "sally ssh up")`},
		{[]string{"status", "-p", "22"}, `status takes no -p ("sally status --help" lists its flags; a host of that name is reached by "sally ssh status")`},
		{[]string{"up", "--nonesuch", "web1"}, `up takes no --nonesuch ("sally up --help" lists its flags; a host of that name is reached by "sally ssh up")`},
		{[]string{"up", "-p", "x", "web1"}, "Bad port 'x'"},
		{[]string{"forward", "ls", "web1"}, "forward ls takes no arguments"},
		{[]string{"forward", "add", "--nonesuch"}, `forward add takes no --nonesuch ("sally forward add --help" lists its flags; a host of that name is reached by "sally ssh forward")`},
		{[]string{"up", "ssh://web1:x"}, `"ssh://web1:x" is no destination: [user@]host or ssh://[user@]host[:port] is one`},
	} {
		if r := u.sally(test.args...); r.code != 2 || r.err != "sally: "+test.want+"\n" || r.out != "" {
			t.Errorf("%q: %+v, want %q", test.args, r, test.want)
		}
	}
	if r := u.sally("bench", "--only", "warm,cool"); r.code != 2 || !strings.HasPrefix(r.err, "sally: no measure \"cool\"; there are:\n  startup ") {
		t.Errorf("bench: %+v", r)
	}
	for _, args := range [][]string{{"-o", "ProxyCommand=exit 7", "--", "up", "true"}, {"ssh", "-o", "ProxyCommand=exit 7", "up", "true"}} {
		if r := u.sally(args...); r.code != 255 || !strings.Contains(r.err, "up (up:22)") {
			t.Errorf("%q is no session on up: %+v", args, r)
		}
	}
}

// TestHelpVerb is --help by another name, and knows what is no verb.
func TestHelpVerb(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host a\n")
	for _, words := range [][]string{{"run"}, {"forward", "add"}} {
		if got, want := u.must(append([]string{"help"}, words...)...), u.must(append(words, "--help")...); got != want || got == "" {
			t.Errorf("%q: %q, want %q", words, got, want)
		}
	}
	for _, words := range [][]string{{"help", "nosuch"}, {"help", "forward", "nosuch"}} {
		if r := u.sally(words...); r.code != 2 || r.out != "" || !strings.Contains(r.err, "help knows no verb") {
			t.Errorf("%q: %+v", words, r)
		}
	}
}

// TestHelpBehindFlags: --help is known before any host or verb, but is no
// option of ssh's.
func TestHelpBehindFlags(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host a\n")
	for args, verb := range map[string]string{"--help": "", "-v --help": "", "--no-daemon --help": "", "--help a": "", "--help ls": "ls", "-v --help forward add": "forward"} {
		want := u.must(strings.Fields("help " + verb)...)
		if r := u.sally(strings.Fields(args)...); r.code != 0 || r.err != "" || r.out != want {
			t.Errorf("%q: %+v", args, r)
		}
	}
	asSSH := u.cmd("-v", "--help")
	asSSH.Args[0] = "ssh"
	for what, r := range map[string]result{"ssh": u.sally("ssh", "--help"), "behind the host": u.sally("a", "--help"), "argv[0]": u.run(asSSH)} {
		if r.code != 255 || r.out != "" || !strings.HasPrefix(r.err, "unknown option -- -\nusage: ") {
			t.Errorf("%s: %+v", what, r)
		}
	}
}

// TestLogsOfNobody: a host of which nothing is known, and the time after the
// daemon.
func TestLogsOfNobody(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	if r := u.sally("logs", "nosuch"); r.code != 1 || r.err != "sally: no daemon is running\n" {
		t.Errorf("before the daemon: %+v", r)
	}
	u.must("up", "target")
	if r := u.sally("logs", "nosuch"); r.code != 1 || r.err != "sally: nothing is recorded for nosuch\n" || r.out != "" {
		t.Errorf("nosuch: %+v", r)
	}
	u.must("quit")
	file := filepath.Join(u.dir, "sally", "daemon.log")
	await(t, "the daemon is gone", func() bool { return len(u.processes("daemon")) == 0 })
	if f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	} else {
		_, _ = f.WriteString("panic: not a record\n\n{\"odd\":1}\n")
		f.Close()
	}
	r := u.sally("logs", "me@target")
	if r.code != 0 || !strings.Contains(r.out, "target: master up") || strings.Contains(r.out, "daemon started") ||
		r.err != "sally: no daemon is running; this is from "+file+"\n" {
		t.Errorf("after the daemon: %+v", r)
	}
	if r := u.sally("logs"); r.code != 0 || !strings.Contains(r.out, "daemon started") || strings.Contains(r.out, "panic") {
		t.Errorf("all: %+v", r)
	}
	if r := u.sally("logs", "nosuch"); r.code != 1 || !strings.HasSuffix(r.err, "sally: nothing is recorded for nosuch\n") {
		t.Errorf("nosuch after the daemon: %+v", r)
	}
	if r := u.sally("logs", "-f"); r.code != 1 || r.err != "sally: no daemon is running\n" {
		t.Errorf("-f after the daemon: %+v", r)
	}
}
