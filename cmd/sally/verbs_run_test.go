package main_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// manyHosts is n hosts h1 to hN behind one jump host: addresses 127.0.1.x of
// one sshd. The host "dead" is one where nobody listens.
func manyHosts(t testing.TB, n int) (*sshtest.Chain, *user) {
	t.Helper()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "all", ListenAddr: "0.0.0.0"}, sshtest.HostConfig{Name: "gone"})
	c.Host("gone").Kill()
	_, port, _ := net.SplitHostPort(c.Host("all").Addr)
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "Host h%d\n  HostName 127.0.1.%d\n  Tags %s\n", i, i, []string{"even", "odd"}[i%2])
	}
	_, dead, _ := net.SplitHostPort(c.Host("gone").Addr)
	fmt.Fprintf(&b, "Host dead\n  HostName 127.0.0.1\n  Port %s\n", dead)
	fmt.Fprintf(&b, "Host h* dead\n  Port %s\n  User %s\n  HostKeyAlias [0.0.0.0]:%s\n  IdentityFile %s\n  ProxyJump jump\n  IdentitiesOnly yes\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n",
		port, c.Host("all").User(), port, c.Host("all").IdentityFile(), c.KnownHostsFile())
	config := filepath.Join(c.Dir(), "many")
	if err := os.WriteFile(config, []byte(b.String()+c.Config()), 0o600); err != nil {
		t.Fatal(err)
	}
	return c, newUserWith(t, config)
}

// whoami sets n to the number of the host that it runs on.
const whoami = `set -- $SSH_CONNECTION; n=${3##*.}; `

// TestRunMany runs on many hosts behind one jump host, which sees one login.
// One host is dead and one is slow; order and codes are right all the same.
func TestRunMany(t *testing.T) {
	t.Parallel()
	c, u := manyHosts(t, runHosts)
	list := filepath.Join(t.TempDir(), "list")
	var text, want strings.Builder
	for i := 1; i <= runHosts; i++ {
		fmt.Fprintf(&text, "h%d # number %d\n", i, i)
	}
	if err := os.WriteFile(list, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := u.cmd("run", "--hosts", list, "dead", "-P", "16", "--close", "--", whoami+`[ $n = 2 ] && sleep 2; echo "I am $n"; echo "err $n" >&2; exit $((n % 3))`)
	r := u.run(cmd)
	daemon, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", u.status().PID))
	_, peak, _ := strings.Cut(string(daemon), "VmHWM:")
	peak, _, _ = strings.Cut(peak, "\n")
	t.Logf("%d hosts in %v; at most %d kB in the command, %s in the daemon", runHosts, r.took.Round(time.Millisecond),
		cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss, strings.TrimSpace(peak))
	if r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	var got strings.Builder
	at := ""
	for line := range strings.Lines(r.out) {
		if host, ok := strings.CutPrefix(line, "── "); ok {
			at, _, _ = strings.Cut(host, ",") // without the time
			at = strings.TrimSpace(at)
			if strings.HasPrefix(at, "dead: ") {
				at = "dead"
			}
			fmt.Fprintln(&got, at)
			continue
		}
		got.WriteString(line)
	}
	want.WriteString("dead\n") // words come before lists
	for i := 1; i <= runHosts; i++ {
		how := "ok"
		if i%3 > 0 {
			how = fmt.Sprint("exit code ", i%3)
		}
		fmt.Fprintf(&want, "h%d: %s\nI am %d\n", i, how, i)
	}
	if got.String() != want.String() {
		t.Errorf("got %s\nwant %s\nstderr %s", got.String(), want.String(), r.err)
	}
	for _, part := range []string{
		fmt.Sprintf("%d hosts: %d ok, ", runHosts+1, runHosts/3), "1 without an exit code (dead)", "exit code 1 (h1 h4 h7",
	} {
		if !strings.Contains(r.err, part) {
			t.Errorf("no %q in %s", part, r.err)
		}
	}
	if !strings.Contains(r.out, "open: connect failed \"Connection refused\"") {
		t.Errorf("%.300s", r.out)
	}
	wantOneLogin(t, c, "jump")
	if n := c.Host("all").AcceptedLogins(); n != runHosts {
		t.Errorf("%d logins for %d hosts", n, runHosts)
	}
	await(t, "the hosts' connections are closed", func() bool { return len(u.status().Masters) == 1 })
}

// TestRunOutput shows the other ways of printing, and of choosing hosts.
func TestRunOutput(t *testing.T) {
	t.Parallel()
	_, u := manyHosts(t, 4)
	if out := u.must("run", "-q", "--tag", "odd", "!h3", "--", "echo one"); !strings.HasPrefix(out, "── h1: ok, ") || !strings.HasSuffix(out, "\none\n") {
		t.Errorf("%q", out)
	}
	r := u.sally("run", "h[23]", "--prefix", "--", whoami+`printf 'a\nlast of %d' $n; echo e >&2`)
	for _, line := range []string{"h2: a\n", "h3: a\n", "h2: last of 2\n", "h3: last of 3\n"} {
		if !strings.Contains(r.out, line) || r.code != 0 {
			t.Errorf("no %q in %+v", line, r)
		}
	}
	if !strings.Contains(r.err, "h2: e\n") || !strings.Contains(r.err, "2 hosts: 2 ok, in ") {
		t.Errorf("%+v", r)
	}
	r = u.sally("run", "h1", "h4", "dead", "--json", "--", whoami+`printf '\377\n'; exit $n`)
	events := map[string]int{}
	for line := range strings.Lines(r.out) {
		var e struct {
			Event, Host, Stage string
			Code               *int
			Bytes              []byte `json:"text_base64"`
			OK, Failed, Errors any
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		events[e.Event]++
		switch {
		case e.Event == "line" && string(e.Bytes) != "\xff",
			e.Event == "exit" && e.Host == "h4" && (e.Code == nil || *e.Code != 4),
			e.Event == "exit" && e.Host == "dead" && (e.Code != nil || e.Stage != "open"),
			e.Event == "summary" && (e.OK != 0.0 || e.Failed != 2.0 || e.Errors != 1.0):
			t.Errorf("%s", line)
		}
	}
	if r.code != 1 || events["line"] != 2 || events["exit"] != 3 || events["summary"] != 1 {
		t.Errorf("%v %+v", events, r)
	}
	r = u.sally("run", "h1", "--", "kill -9 $$")
	if r.code != 1 || !strings.Contains(r.out, "── h1: it ended without an exit code") || !strings.Contains(r.err, "1 without an exit code (h1)") {
		t.Errorf("%+v", r)
	}
	in := u.cmd("run", "-q", "--stdin", "--unordered", "h1", "h2", "--", "cat")
	in.Stdin = strings.NewReader("to each\n")
	if r := u.run(in); r.code != 0 || strings.Count(r.out, "\nto each\n") != 2 {
		t.Errorf("%+v", r)
	}
	if out := u.must("run", "--dry-run", "h1", "h2", "--", "reboot", "now"); out != "h1 (jump → h1)\nh2 (jump → h2)\nwould run on 2 hosts: reboot now\n" {
		t.Errorf("%q", out)
	}
	for _, words := range [][]string{{"run", "h1", "uptime"}, {"run", "--", "x"}, {"run", "h1", "--"}, {"run", "none*", "--", "x"}, {"run", "h1", "--json", "--prefix", "--", "x"}} {
		if r := u.sally(words...); r.code != 2 || r.err == "" {
			t.Errorf("%q: %+v", words, r)
		}
	}
}

// TestRunOfBadConfig tells a line that ssh does not read once, and not for each
// host, however the hosts are chosen.
func TestRunOfBadConfig(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host a b\n  HostName 127.0.0.1\n  Tags some\n  Nonsense yes\nHost c\n  HostName 127.0.0.1\n")
	want := "sally: " + u.config + ": line 4: Bad configuration option: nonsense\n" + u.config + ": terminating, 1 bad configuration options\n"
	for _, words := range [][]string{{"*"}, {"a", "root@127.0.0.2"}, {"--tag", "some"}, {"--json", "*"}, {"--dry-run", "*"}} {
		if r := u.sally(append(append([]string{"run"}, words...), "--", "true")...); r.code != 1 || r.out != "" || r.err != want {
			t.Errorf("%q: %+v", words, r)
		}
	}
	u = newConfigured(t, "Host a b\n  HostName 127.0.0.1\n")
	if r := u.sally("run", "-o", "Nonsense=yes", "a", "b", "--", "true"); r.code != 1 || r.out != "" ||
		r.err != "sally: command-line: line 0: Bad configuration option: nonsense\n" {
		t.Errorf("%+v", r)
	}
}

// TestRunPlannedJSON prints an object for each host that --dry-run names.
func TestRunPlannedJSON(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host gate web\n  HostName 127.0.0.1\nHost web\n  ProxyJump gate\nHost loop\n  ProxyJump loop2\nHost loop2\n  ProxyJump loop\n")
	if r := u.sally("run", "--dry-run", "--json", "gate", "web", "--", "true"); r.code != 0 || r.err != "" ||
		r.out != `{"event":"host","host":"gate","ok":true,"route":["gate"]}`+"\n"+`{"event":"host","host":"web","ok":true,"route":["gate","web"]}`+"\n" {
		t.Errorf("%+v", r)
	}
	r := u.sally("run", "--dry-run", "--json", "loop", "--", "true")
	if r.code != 1 || r.out != `{"error":"jump loop: loop → loop2 → loop","event":"host","host":"loop","ok":false}`+"\n" || r.err != "sally: 1 host cannot be reached as configured\n" {
		t.Errorf("%+v", r)
	}
}

// TestRunMisused refuses numbers that make no sense, and patterns and tags that
// no host has, in one line and before anything is done.
func TestRunMisused(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host a b\n  HostName 127.0.0.1\n  Tags some\n")
	for _, words := range [][]string{
		{"-P", "0", "a"}, {"-P", "-3", "a"}, {"--timeout", "-1s", "a"}, {"--total-timeout", "-1ns", "a"}, {"-p", "0", "a", "b"}, {"-p", "x", "a", "b"},
		{"none*"}, {"a", "none*"}, {"--tag", "none"}, {"--tag", "none", "a"}, {"--tag", "some", "--tag", "none"}, {"--tag", "some", "!?"},
	} {
		r := u.sally(append(append([]string{"run", "--dry-run"}, words...), "--", "true")...)
		if r.code != 2 || r.out != "" || !strings.HasPrefix(r.err, "sally: ") || strings.Count(r.err, "\n") != 1 {
			t.Errorf("%q: %+v", words, r)
		}
	}
	if r := u.sally("run", "--dry-run", "--timeout", "0", "-P", "1", "--tag", "some", "--", "true"); r.code != 0 {
		t.Errorf("%+v", r)
	}
}

// TestRunEnds bounds the time of hosts, stops after a failure, and ends the
// remote commands with itself.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	sshtest.RequireRoot(t, "a temporary account")
	// sshd delivers no signals to root's sessions.
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target", Account: sshtest.NewAccount(t)},
		sshtest.HostConfig{Name: "other", Via: "jump"})
	u := newUser(t, c)
	u.must("up", "target", "other")
	r := u.sally("run", "target", "other", "--timeout", "2s", "--", `[ "$USER" = root ] || { echo pid $$; exec sleep 1000; }`)
	if r.code != 1 || !strings.Contains(r.out, "── target: not done after 2s\npid ") || !strings.Contains(r.err, "1 not done in time (target)") || !strings.Contains(r.err, "1 ok") {
		t.Errorf("%+v", r)
	}
	wantGone(t, r.out)
	r = u.sally("run", "target", "other", "--fail-fast", "-P", "1", "--", "false")
	if r.code != 1 || !strings.Contains(r.err, "1 exit code 1 (target), 1 not started (other)") {
		t.Errorf("%+v", r)
	}
	l := u.start("run", "--prefix", "target", "--", "echo pid $$; sleep 1000; true")
	l.expect("pid ")
	l.cmd.Process.Signal(syscall.SIGINT)
	if code := l.wait(soon); code != 130 {
		t.Errorf("exit code %d, stderr %q", code, l.err)
	}
	wantGone(t, l.out.String())
	l = u.start("run", "--prefix", "-t", "other", "--", "echo pid $$; sleep 1000; true")
	l.expect("pid ")
	l.cmd.Process.Signal(syscall.SIGINT)
	l.wait(soon)
	wantGone(t, strings.ReplaceAll(l.out.String(), "\r", ""))
}

// wantGone waits for the end of the process whose "pid N" is in a text.
func wantGone(t testing.TB, text string) {
	t.Helper()
	_, number, _ := strings.Cut(text, "pid ")
	number, _, _ = strings.Cut(number, "\n")
	pid, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	if !poll(soon, func() bool { return syscall.Kill(pid, 0) != nil }) {
		t.Errorf("process %d goes on", pid)
		syscall.Kill(-pid, syscall.SIGKILL)
	}
}

// TestRunMuch keeps much output of several hosts apart, in little memory.
func TestRunMuch(t *testing.T) {
	t.Parallel()
	_, u := manyHosts(t, 3)
	command := u.cmd("run", "-q", "h1", "h2", "h3", "--", whoami+`[ $n = 1 ] && sleep 1; yes "line of $n" | head -c 20000000; echo`)
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	command.Stdout = file
	r := u.run(command)
	text, err := os.ReadFile(file.Name())
	if err != nil || r.code != 0 || len(text) < 60000000 {
		t.Fatalf("%v %+v, %d bytes", err, r, len(text))
	}
	at := ""
	for line := range strings.Lines(string(text)) {
		if host, ok := strings.CutPrefix(line, "── h"); ok {
			if at = host[:1]; at != strconv.Itoa(1+strings.Count(string(text[:strings.Index(string(text), line)]), "── ")) {
				t.Errorf("%q is out of order", line)
			}
		} else if want := "line of " + at + "\n"; !strings.HasPrefix(want, strings.TrimSuffix(line, "\n")) {
			t.Fatalf("%q among the lines of h%s", line, at)
		}
	}
	usage := command.ProcessState.SysUsage().(*syscall.Rusage)
	if peak := time.Duration(usage.Maxrss) << 10; peak > 200<<20 {
		t.Errorf("took %d bytes of memory", peak)
	}
}
