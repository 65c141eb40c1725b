package main_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/probe"
	"sallyport/internal/sshtest"
)

// snapshot is the content of all files below a directory.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		found[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantUnchanged fails unless a directory is as it was.
func wantUnchanged(t *testing.T, dir string, before map[string]string) {
	t.Helper()
	after := snapshot(t, dir)
	for path, text := range after {
		if old, was := before[path]; !was || old != text {
			t.Errorf("%s was changed or made:\n%s", path, text)
		}
	}
	for path := range before {
		if _, is := after[path]; !is {
			t.Errorf("%s is gone", path)
		}
	}
}

// agentHolding starts an agent that holds the keys of files, and returns its
// socket and how to list what it holds.
func agentHolding(t *testing.T, dir string, files ...string) (socket string, list func() string) {
	t.Helper()
	sshtest.Require(t, "ssh-agent", "ssh-add", "ssh-keygen")
	socket = filepath.Join(dir, "agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		agent.Process.Kill()
		agent.Wait()
		os.Remove(socket)
	})
	if !poll(soon, func() bool { _, err := os.Stat(socket); return err == nil }) {
		t.Fatal("the agent has no socket")
	}
	add := func(args ...string) string {
		c := exec.Command("ssh-add", args...)
		c.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		out, _ := c.CombinedOutput()
		return string(out)
	}
	for _, f := range files {
		add(f)
	}
	return socket, func() string { return add("-l") }
}

// newKeys makes n keys.
func newKeys(t *testing.T, dir string, n int) []string {
	t.Helper()
	var files []string
	for i := range n {
		file := filepath.Join(dir, fmt.Sprintf("spare%d", i))
		if out, err := exec.Command(sshtest.Path(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		files = append(files, file)
	}
	return files
}

// TestTestVerb looks at a chain that is good, with everything about that would
// change something in a session: a key to be added to the agent, a server with
// more host keys to learn, a hop whose key is new.
func TestTestVerb(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t,
		sshtest.HostConfig{Name: "jump", ClientConfig: []string{"UpdateHostKeys yes", "AddKeysToAgent yes", "ControlMaster auto", "ControlPath ~/.never-%C"}},
		sshtest.HostConfig{Name: "target", ClientConfig: []string{"StrictHostKeyChecking accept-new"}})
	known, err := os.ReadFile(c.KnownHostsFile())
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(known), "\n")
	if err := os.WriteFile(c.KnownHostsFile(), []byte(first+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	agentDir := t.TempDir()
	socket, held := agentHolding(t, agentDir)
	u := newUser(t, c)
	before, keys := snapshot(t, c.Dir()), held()
	cmd := u.cmd("test", "target")
	cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+socket)
	r := u.run(cmd)
	if r.code != 0 || r.err != "" {
		t.Fatalf("%+v", r)
	}
	wantUnchanged(t, c.Dir(), before)
	if now := held(); now != keys {
		t.Errorf("the agent held %s and holds %s", keys, now)
	}
	if left, _ := filepath.Glob(filepath.Join(u.dir, "*")); len(left) > 0 {
		t.Errorf("the runtime directory has %q", left)
	}
	for _, name := range []string{"jump", "target"} {
		if h := c.Host(name); h.Connections() != 1 || h.AcceptedLogins() != 1 || !poll(soon, func() bool { return h.Open() == 0 }) {
			t.Errorf("%s: %d connections, %d logins, %d open", name, h.Connections(), h.AcceptedLogins(), h.Open())
		}
	}
	for _, text := range []string{
		"jump → target\n", "\njump (" + c.Host("jump").Addr + "), as " + c.Host("jump").User() + "\n  ok     resolve",
		c.Host("jump").Fingerprint(), "known: " + c.KnownHostsFile() + ":1\n",
		"\ntarget (" + c.Host("target").Addr + ") via jump, as ", "  ok     open ", "SSH-2.0-OpenSSH_", "agreed on curve25519-sha256",
		c.Host("target").Fingerprint() + "\n", " new\n", "nothing was recorded. Have the fingerprint confirmed", "or add this line to " + c.KnownHostsFile() + ":\n",
		"[127.0.0.1]:" + strings.Split(c.Host("target").Addr, ":")[1] + " ssh-ed25519 AAAA",
		"publickey: " + c.Host("target").IdentityFile(), "the server offers publickey\n", "  ok     session ", "  ok     round trip ",
		"\ntarget: good, 2 hops in ",
	} {
		if !strings.Contains(r.out, text) {
			t.Errorf("no %q in\n%s", text, r.out)
		}
	}
}

// TestCheckPointsOn has nothing to check.
func TestCheckPointsOn(t *testing.T) {
	t.Parallel()
	r := newUser(t, oneJump(t)).sally("check", "jump")
	if r.code != 1 || r.err != "sally: jump: no daemon is running\n  hint: \"sally up jump\" connects, \"sally test jump\" looks at each hop without sharing anything\n" {
		t.Errorf("%+v", r)
	}
}

func TestTestVerbJSON(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	var report probe.Report
	if err := json.Unmarshal([]byte(u.must("test", "--json", "target")), &report); err != nil {
		t.Fatal(err)
	}
	if !report.OK || report.Target != "target" || len(report.Hops) != 3 || report.Seconds <= 0 {
		t.Errorf("%+v", report)
	}
	for i, h := range report.Hops {
		if !h.OK || !h.Tested || h.RTT <= 0 || h.HostKey.Status != "known" || h.HostKey.Known[0].Line != i+1 ||
			h.Auth.Worked[0] != "publickey" || h.Algorithms.CipherIn == "" || !h.Addresses[0].Used {
			t.Errorf("hop %d: %+v", i, h)
		}
	}
	c.Host("jump2").Kill()
	r := u.sally("test", "--json", "target")
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != 1 || r.err != "" {
		t.Fatalf("%v: %+v", err, r)
	}
	f := report.Hops[1].Failure
	if report.OK || f == nil || f.Stage != "open" || f.Cause != "far-refused" || f.Why == "" || f.Advice == "" || report.Hops[2].Tested {
		t.Errorf("%+v", report.Hops[1])
	}
}

// stageCase is a hop that fails in one way.
type stageCase struct {
	name    string
	host    string
	message string // after "NAME (ADDR)[ via jump]: "
	why, do string // parts of them
	env     []string
	said    string // on standard error: the server's banner
}

// accountAfter is an account that a program was run on.
func accountAfter(t *testing.T, program string, args ...string) *sshtest.Account {
	t.Helper()
	sshtest.RequireRoot(t, "a temporary account")
	a := sshtest.NewAccount(t)
	if out, err := exec.Command(sshtest.Path(t, program), append(args, a.Name)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
	return a
}

// TestTestVerbFailures has a hop fail in each stage: what is said is exact.
func TestTestVerbFailures(t *testing.T) {
	c := sshtest.NewChain(t,
		sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "closedjump", Via: "none", ExtraConfig: []string{"AllowTcpForwarding no"}},
		sshtest.HostConfig{Name: "picky", Via: "none", ExtraConfig: []string{"PermitOpen 127.0.0.1:1"}},
		sshtest.HostConfig{Name: "old", Via: "none", ExtraConfig: []string{"KexAlgorithms ecdh-sha2-nistp256"}, ClientConfig: []string{"KexAlgorithms curve25519-sha256"}},
		sshtest.HostConfig{Name: "changed", Via: "none"}, sshtest.HostConfig{Name: "new", Via: "none", ClientConfig: []string{"UserKnownHostsFile " + filepath.Join(t.TempDir(), "kh")}},
		sshtest.HostConfig{Name: "strange", Via: "none"}, sshtest.HostConfig{Name: "keyless", Via: "none"},
		sshtest.HostConfig{Name: "strict", Via: "none", ExtraConfig: []string{"MaxAuthTries 2"}, ClientConfig: []string{"IdentitiesOnly no", "IdentityAgent SSH_AUTH_SOCK"}},
		sshtest.HostConfig{Name: "nosession", Via: "none", ExtraConfig: []string{"MaxSessions 0"}},
		sshtest.HostConfig{Name: "locked", Via: "none", Account: accountAfter(t, "usermod", "-L")},
		sshtest.HostConfig{Name: "expired", Via: "none", Account: accountAfter(t, "chage", "-E", "1"), ExtraConfig: []string{"UsePAM yes"}},
		sshtest.HostConfig{Name: "secret", Via: "none", Auth: sshtest.Password})
	fingerprint, line := c.ForgeKnownHost("changed")
	spare := newKeys(t, t.TempDir(), 3)
	socket, _ := agentHolding(t, t.TempDir(), spare...)
	emptySocket, _ := agentHolding(t, t.TempDir())
	closed, silent := sshtest.RefusedPort(t), sshtest.SilentPeer(t).Addr
	// ssh takes the first value: what is to win stands before the chain's.
	config := impatient("hole", "silent", "mute", "web", "busy", "penal", "farsilent", "farhole") + "Host strange\n IdentityFile " + spare[0] + "\n IdentitiesOnly yes\nHost *\n" +
		c.Config() +
		hostBlock("closed", closed) + hostBlock("hole", sshtest.BlackHole(t)) + hostBlock("silent", silent) +
		hostBlock("mute", sshtest.SilentAfterBanner(t).Addr) + hostBlock("web", sshtest.GarbagePeer(t, []byte("HTTP/1.1 400 Bad\r\n\r\n")).Addr) +
		hostBlock("busy", sshtest.GarbagePeer(t, []byte("Exceeded MaxStartups\r\n")).Addr) +
		hostBlock("penal", sshtest.GarbagePeer(t, []byte("Not allowed at this time\r\n")).Addr) +
		hostBlock("closing", sshtest.NewPeer(t, func(net.Conn) {}).Addr) +
		hostBlock("farclosed", closed, "ProxyJump jump") + hostBlock("farsilent", silent, "ProxyJump jump") +
		hostBlock("farhole", sshtest.BlackHole(t), "ProxyJump jump") +
		hostBlock("shut", c.Host("jump").Addr, "ProxyJump closedjump") + hostBlock("unlisted", c.Host("jump").Addr, "ProxyJump picky") +
		"Host nowhere\n HostName nowhere.invalid\nHost farname\n HostName nowhere.invalid\n Port 22\n ProxyJump jump\n"
	config = strings.Replace(config, "IdentityFile "+c.Host("keyless").IdentityFile(), "IdentityFile none", 1)
	config = strings.Replace(config, "IdentityFile "+c.Host("strange").IdentityFile(), "", 1)
	file := filepath.Join(c.Dir(), "faulty")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	u := newUserWith(t, file)
	agent, empty := []string{"SSH_AUTH_SOCK=" + socket}, []string{"SSH_AUTH_SOCK=" + emptySocket}
	before := snapshot(t, c.Dir())
	cases := []stageCase{
		{"nowhere", "nowhere.invalid:22", `resolve: no address for "nowhere.invalid"`, "the name server does not know it", "set ProxyJump", nil, ""},
		{"closed", closed, "connect: connection refused", "nothing listens on " + closed, "check HostName and Port", nil, ""},
		{"hole", "", "connect: no answer to the TCP connection for 1s", "does not answer: it is down, or a firewall", "VPN", nil, ""},
		{"closing", "", "banner: closed the connection before saying anything", "fail2ban", "try again", nil, ""},
		{"silent", silent, "banner: connected, but the server said nothing for 1s", "the server is silent", "try again", nil, ""},
		{"web", "", `banner: not an SSH server: it said "HTTP/1.1 400 Bad`, "something other than an SSH server listens", "check HostName and Port", nil, ""},
		{"busy", "", `banner: not an SSH server: it said "Exceeded MaxStartups\r\n"`, "too many connections to busy are logging in", "ask its administrator for a higher MaxStartups", nil, ""},
		{"penal", "", `banner: not an SSH server: it said "Not allowed at this time\r\n"`, "PerSourcePenalties", "PerSourcePenaltyExemptList", nil, ""},
		{"mute", "", "key exchange: no answer in the key exchange for 1s", "MTU", "VPN", nil, ""},
		{"old", "", `key exchange: no common algorithm for key exchange; we offered: ["curve25519-sha256"`, "much older or newer", "KexAlgorithms", nil, ""},
		{"changed", "", "host key: the key has changed: ", "somebody may be listening in", "remove the old line", nil, ""},
		{"new", "", "host key: ", "new is not in known_hosts", "have the fingerprint confirmed", nil, ""},
		{"strange", "", "authenticate: permission denied for user ", "knows none of your keys", "authorized_keys", nil, ""},
		{"keyless", "", "authenticate: permission denied for user ", "keyless wants a key and there is none to offer", "ssh-add", empty, ""},
		{"strict", "", "authenticate: permission denied for user ", "the agent holds many keys", "IdentitiesOnly yes", agent, ""},
		{"secret", "", "authenticate: permission denied for user ", "asks a question and there is no terminal", "SSH_ASKPASS", nil, ""},
		{"locked", "", "authenticate: permission denied for user ", "or the account is locked, expired", "sshd's log", nil, ""},
		{"expired", "", "authenticate: permission denied for user ", "accepted what you showed and then closed: the account may be locked or expired", "chage -l", nil, "Your account has expired; please contact your system administrator.\n"},
		{"nosession", "", `session: connect failed "open failed"`, "lets you in and opens no session", "MaxSessions 1 or more", nil, ""},
		{"farclosed", closed, `open: connect failed "Connection refused"`, "jump reached 127.0.0.1, and nothing listens", "sshd runs there", nil, ""},
		{"farsilent", silent, "banner: connected, but the server said nothing for 1s", "the server is silent", "try again", nil, ""},
		{"farhole", "", "open: no answer to the channel request for 1s", "does not answer jump", "ask jump's administrator", nil, ""},
		{"farname", "nowhere.invalid:22", `open: connect failed "Name or service not known"`, "jump does not know the name nowhere.invalid", "give farname a HostName that jump knows", nil, ""},
		{"shut", "", `open: refused: administratively prohibited "open failed"`, "closedjump does not let you through", "AllowTcpForwarding yes", nil, ""},
		{"unlisted", "", `open: refused: administratively prohibited "open failed"`, "picky does not let you through", "a PermitOpen that has ", nil, ""},
	}
	t.Run("hop", func(t *testing.T) { // ends when all have
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				cmd := u.cmd("test", tc.name)
				cmd.Env = append(cmd.Env, tc.env...)
				r := u.run(cmd)
				_, verdict, _ := strings.Cut(r.out, "  FAILED ")
				if r.code != 1 || r.err != tc.said || !strings.Contains(verdict, "\n\n"+tc.name+" (") || !strings.Contains(verdict, ": "+tc.message) ||
					!strings.Contains(verdict, "  why: ") || !strings.Contains(verdict, tc.why) || !strings.Contains(verdict, "   do: ") || !strings.Contains(verdict, tc.do) {
					t.Errorf("%d, stderr %q, stdout\n%s", r.code, r.err, r.out)
				}
				if tc.host != "" && !strings.Contains(verdict, "("+tc.host+")") {
					t.Errorf("no %s in\n%s", tc.host, verdict)
				}
				if tc.name == "changed" && !strings.Contains(verdict, fmt.Sprintf("%s:%d has ED25519 %s", c.KnownHostsFile(), line, fingerprint)) {
					t.Errorf("no line of the old key in\n%s", verdict)
				}
				if tc.name == "new" && !strings.Contains(verdict, "or add this line to ") {
					t.Errorf("not told how to trust the key:\n%s", verdict)
				}
				if tc.name == "keyless" && !strings.Contains(verdict, "the agent "+emptySocket+" has no keys to offer") {
					t.Errorf("no word about the agent:\n%s", verdict)
				}
			})
		}
	})
	wantUnchanged(t, c.Dir(), before)
}

func TestTestVerbIsBounded(t *testing.T) {
	t.Parallel()
	c := oneJump(t)
	file := filepath.Join(c.Dir(), "slow")
	if err := os.WriteFile(file, []byte(c.Config()+hostBlock("slow", sshtest.SilentPeer(t).Addr, "ProxyJump jump")), 0o600); err != nil {
		t.Fatal(err)
	}
	u := newUserWith(t, file)
	r := u.sally("test", "--timeout", "700ms", "slow")
	if r.code != 1 || !strings.Contains(r.out, ": banner: no end within 700ms") || r.took > soon {
		t.Errorf("%v: %+v", r.took, r)
	}
}

// TestTestVerbAsks answers questions on a terminal, where there are lines of
// progress; what the person takes does not count.
func TestTestVerbAsks(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump", ClientConfig: []string{"StrictHostKeyChecking ask"}}, sshtest.HostConfig{Name: "target", Auth: sshtest.Password})
	known, _ := os.ReadFile(c.KnownHostsFile())
	_, second, _ := strings.Cut(string(known), "\n")
	if err := os.WriteFile(c.KnownHostsFile(), []byte(second), 0o600); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, c.Dir())
	con := newUser(t, c).tty("test", "--timeout", "20s", "target")
	con.Expect("(yes/no/[fingerprint])? ", soon)
	con.Send(c.Host("jump").Fingerprint() + "\r")
	con.Expect("target's password: ", soon)
	con.Send(c.Host("target").Account.Password + "\r")
	con.Expect("ok     authenticate", soon)
	con.Expect("target: good, 2 hops in ", soon)
	if code := con.Wait(soon); code != 0 {
		t.Errorf("exit code %d\n%s", code, con.Transcript())
	}
	if out := con.Output(); !strings.Contains(out, "  …      key exchange\r\x1b[K") {
		t.Errorf("no progress in\n%s", con.Transcript())
	}
	wantUnchanged(t, c.Dir(), before)
}
