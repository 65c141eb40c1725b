package main_test

import (
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// inNetwork gives the client another /etc/hosts, in a mount namespace of its
// own, so that names can be canonicalized without a name server.
func (c *client) inNetwork(t testing.TB, names ...string) {
	t.Helper()
	sshtest.RequireRoot(t, "another /etc/hosts")
	sshtest.Require(t, "unshare", "mount")
	file := filepath.Join(t.TempDir(), "hosts")
	text := "127.0.0.1 localhost\n"
	for _, name := range names {
		text += "127.0.0.1 " + name + " " + name + ".\n" // glibc looks for the one that is asked for
	}
	writeFile(t, file, text)
	c.before = []string{"unshare", "-m", "sh", "-c", `mount --bind "$1" /etc/hosts && shift && exec "$@"`, "sh", file}
}

// TestSSHCanonical resolves short names in domains, reads the configuration
// again for what comes out, and connects there.
func TestSSHCanonical(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		_, port := address(t, chain.Host("jump"))
		known := filepath.Join(t.TempDir(), "known_hosts")
		key := strings.Join(strings.Fields(readFile(t, chain.KnownHostsFile()))[1:], " ")
		writeFile(t, known, "[web.corp.example]:"+port+" "+key+"\n")
		c.inNetwork(t, "web.corp.example", "db.lab.example", "a.b.corp.example")
		c.config = filepath.Join(t.TempDir(), "config")
		writeFile(t, c.config, strings.Join([]string{
			"CanonicalDomains corp.example lab.example",
			"Match canonical host *.corp.example", "  Port " + port, "  SetEnv LC_A=corp",
			"Match canonical host *.lab.example", "  User lab", "  Port 1",
			"Match final originalhost web", "  SetEnv LC_B=final", "  SendEnv LC_FINAL",
			"Match all", "  IdentityFile " + chain.Host("jump").IdentityFile(), "  IdentitiesOnly yes", "  UserKnownHostsFile " + known,
			"  GlobalKnownHostsFile /dev/null", "  StrictHostKeyChecking yes"}, "\n")+"\n")
		if out := c.must("-o", "CanonicalizeHostname=yes", "web", "echo $LC_A$LC_B"); out != "corp\n" {
			t.Errorf("web: %q", out)
		}
		for _, tc := range []struct {
			args []string
			want string // in what -G prints
		}{
			{[]string{"web"}, "hostname web.corp.example\nport " + port},
			{[]string{"db"}, "user lab\nhostname db.lab.example\nport 1"},
			{[]string{"WEB"}, "hostname web.corp.example"},
			{[]string{"a.b"}, "hostname a.b.corp.example"},
			{[]string{"-o", "CanonicalizeMaxDots=0", "a.b"}, "hostname a.b\n"},
			{[]string{"elsewhere"}, "hostname elsewhere\n"},
			{[]string{"127.0.0.1"}, "hostname 127.0.0.1\n"},
			{[]string{"-o", "ProxyJump=x", "web"}, "hostname web\n"},
			{[]string{"-o", "CanonicalizeHostname=always", "-o", "ProxyJump=x", "web"}, "hostname web.corp.example\n"},
		} {
			out := c.run(append(append([]string{"-G"}, tc.args...), "-o", "CanonicalizeHostname=yes")...).out
			for line := range strings.Lines(tc.want) {
				if !strings.Contains("\n"+out, "\n"+strings.TrimSpace(line)+"\n") {
					t.Errorf("%q: no %q in %q", tc.args, line, lastLines(out, "host"))
				}
			}
		}
		c.fails([]string{"elsewhere"}, "-o", "CanonicalizeHostname=yes", "-o", "CanonicalizeFallbackLocal=no", "elsewhere", "true")
		if out := c.run("-G", "web").out; !strings.Contains(out, "hostname web\n") || !strings.Contains(out, "LC_FINAL") {
			t.Errorf("without: %q", out)
		}
	})
}

// TestSSHMatch connects by what Match blocks of each kind give.
func TestSSHMatch(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		ip, port := address(t, chain.Host("jump"))
		flag := filepath.Join(t.TempDir(), "flag")
		c.use(chain, "Match originalhost alias exec \"test -e "+flag+"\"", "  HostName "+ip, "  Port "+port, "  SetEnv LC_A=%n",
			"Match host "+ip+" user "+chain.Host("jump").User(), "  SetEnv LC_A=by-user",
			"Match final host "+ip, "  SendEnv LC_B", "Match localuser nobody-here", "  Port 1",
			"Match all", "  IdentityFile "+chain.Host("jump").IdentityFile(), "  IdentitiesOnly yes", "  UserKnownHostsFile "+chain.KnownHostsFile())
		c.env = []string{"LC_B=final"}
		c.fails([]string{"alias"}, "-o", "BatchMode=yes", "alias", "true")
		writeFile(t, flag, "")
		user := chain.Host("jump").User()
		if out := c.must("-l", user, "alias", "echo $LC_B"); out != "final\n" {
			t.Errorf("alias: %q", out)
		}
		if out := c.must(user+"@jump", "echo $LC_A"); out != "by-user\n" {
			t.Errorf("jump: %q", out)
		}
	})
}

// withNameServer gives the client a network of its own in which a real name
// server answers for records, in dnsmasq's options.
func (c *client) withNameServer(t testing.TB, records ...string) {
	t.Helper()
	sshtest.RequireRoot(t, "another /etc/resolv.conf")
	sshtest.Require(t, "unshare", "mount", "ip", "dnsmasq")
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	writeFile(t, resolv, "nameserver 127.0.0.1\noptions timeout:2\n")
	server := strings.Join(append([]string{"dnsmasq", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--keep-in-foreground", "--user=root", "--pid-file=",
		"--listen-address=127.0.0.1", "--bind-interfaces", "--local=/corp.example/", "--local=/lab.example/"}, records...), " ")
	// The server is asked until it answers, then the client runs.
	c.before = []string{"unshare", "-n", "-m", "sh", "-c", `ip link set lo up && mount --bind "$1" /etc/resolv.conf && shift &&
		` + server + ` 2>/dev/null & server=$!
		for i in 1 2 3 4 5 6 7 8 9 10; do getent ahosts real.corp.example >/dev/null && break; sleep 0.1; done
		shift; "$@"; code=$?; kill $server; wait $server 2>/dev/null; exit $code`, "sh", resolv}
}

// TestSSHCanonicalCNAME follows the CNAMEs of a real name server, and only
// those that CanonicalizePermittedCNAMEs lists.
func TestSSHCanonicalCNAME(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		c.withNameServer(t, "--host-record=real.corp.example,10.1.2.3", "--host-record=far.lab.example,10.1.2.4",
			"--cname=alias.corp.example,real.corp.example", "--cname=moved.corp.example,far.lab.example")
		c.config = filepath.Join(t.TempDir(), "config")
		writeFile(t, c.config, "CanonicalizeHostname yes\nCanonicalDomains corp.example lab.example\n")
		for _, tc := range []struct{ permit, host, want string }{
			{"none", "alias", "alias.corp.example"},
			{"*.corp.example:*.corp.example", "alias", "real.corp.example"},
			{"*.corp.example:*.corp.example", "alias.corp.example.", "real.corp.example"},
			{"*.corp.example:*.corp.example", "moved", "moved.corp.example"},
			{"*.corp.example:*.corp.example,*.lab.example", "moved", "far.lab.example"},
			{"alias.*:*.lab.example moved.*:far.*", "moved", "far.lab.example"},
			{"*:*", "real", "real.corp.example"},
		} {
			out := c.run("-G", "-o", "CanonicalizePermittedCNAMEs="+tc.permit, tc.host).out
			if !strings.Contains(out, "\nhostname "+tc.want+"\n") {
				t.Errorf("%s, %s: no %q in %q", tc.permit, tc.host, tc.want, lastLines(out, "hostname"))
			}
		}
	})
}
