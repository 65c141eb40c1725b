package main_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// otherServer is a server that is not OpenSSH, run for each connection as inetd
// does, and an account there that our key opens.
type otherServer struct {
	addr     string
	account  *sshtest.Account
	known    string // known_hosts
	identity string
}

// accountMark in an argument stands for the account's name.
const accountMark = "ACCOUNT"

// serveWith runs a program for each connection. known is the host's public
// key.
func serveWith(t testing.TB, known string, program string, args ...string) *otherServer {
	t.Helper()
	s := &otherServer{account: sshtest.NewAccount(t)}
	s.identity = newKey(t, "ed25519")
	ssh := filepath.Join(s.account.Home, ".ssh")
	keys := filepath.Join(ssh, "authorized_keys")
	if err := firstError(os.Mkdir(ssh, 0o700), os.WriteFile(keys, []byte(readFile(t, s.identity+".pub")), 0o600),
		os.Chown(ssh, s.account.UID, s.account.GID), os.Chown(keys, s.account.UID, s.account.GID)); err != nil {
		t.Fatal(err)
	}
	s.addr = sshtest.NewPeer(t, func(conn net.Conn) {
		file, err := conn.(*net.TCPConn).File()
		if err != nil {
			return
		}
		defer file.Close()
		given := slices.Clone(args)
		for i := range given {
			given[i] = strings.ReplaceAll(given[i], accountMark, s.account.Name)
		}
		cmd := exec.Command(sshtest.Path(t, program), given...)
		cmd.Stdin, cmd.Stdout = file, file
		cmd.Run()
	}).Addr
	s.known = filepath.Join(t.TempDir(), "known_hosts")
	ip, port, _ := net.SplitHostPort(s.addr)
	writeFile(t, s.known, fmt.Sprintf("[%s]:%s %s\n", ip, port, known))
	return s
}

// config is the server as the host "other".
func (s *otherServer) config(t testing.TB) string {
	ip, port, _ := net.SplitHostPort(s.addr)
	file := filepath.Join(t.TempDir(), "config")
	writeFile(t, file, strings.Join([]string{"Host other", "HostName " + ip, "Port " + port, "User " + s.account.Name, "IdentityFile " + s.identity,
		"IdentitiesOnly yes", "UserKnownHostsFile " + s.known, "GlobalKnownHostsFile /dev/null", "StrictHostKeyChecking yes"}, "\n  ")+"\n")
	return file
}

// newKey makes a key of a type with ssh-keygen and returns its file.
func newKey(t testing.TB, kind string, more ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	out, err := exec.Command(sshtest.Path(t, "ssh-keygen"), append([]string{"-q", "-t", kind, "-N", "", "-f", file}, more...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	return file
}

// wantOrdinary is what every server does.
func wantOrdinary(t testing.TB, c *client, options ...string) {
	t.Helper()
	run := func(command string) result { return c.run(append(options, "other", command)...) }
	if r := run("echo out; echo err >&2; exit 7"); r.code != 7 || r.out != "out\n" || r.err != "err\n" {
		t.Errorf("%q: %+v", options, r)
	}
	text := strings.Repeat("0123456789abcde\n", 100_000)
	cmd := c.cmd(append(options, "other", "cat")...)
	cmd.Stdin = strings.NewReader(text)
	if r := c.end(cmd); r.code != 0 || r.out != text {
		t.Errorf("%q: %d bytes came back, want %d; exit code %d, stderr %q", options, len(r.out), len(text), r.code, r.err)
	}
}

// TestSSHDropbear has each of its host keys, a password, a terminal and a
// forward.
func TestSSHDropbear(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		sshtest.Require(t, "dropbear")
		for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
			key := filepath.Join(t.TempDir(), "host_key")
			out, err := exec.Command(sshtest.Path(t, "dropbearkey"), "-t", kind, "-f", key).Output()
			if err != nil {
				t.Fatal(err)
			}
			known := ""
			for line := range strings.Lines(string(out)) {
				if strings.HasPrefix(line, "ssh-") || strings.HasPrefix(line, "ecdsa-") {
					known = strings.TrimSpace(line)
				}
			}
			s := serveWith(t, known, "dropbear", "-i", "-r", key)
			c.config = s.config(t)
			wantOrdinary(t, c)
			if kind != "ed25519" {
				continue
			}
			wantOrdinary(t, c, "-o", "RekeyLimit=100K")
			there := lateEcho(t, "tcp", "127.0.0.1:0")
			here := sshtest.RefusedPort(t)
			args := []string{"-o", "PubkeyAuthentication=no", "-L", here + ":" + there, "other"}
			if c.ours() { // the stock client of 9.2 does not know it
				args = append([]string{"-o", "ObscureKeystrokeTiming=interval:30"}, args...)
			}
			con := c.tty(args...)
			con.Expect("'s password: ", soon)
			con.Send(s.account.Password + "\r")
			con.Expect("$ ", soon)
			con.Send("stty size; echo i''n\r")
			con.Expect("24 80", soon)
			con.Expect("in\r\n", soon)
			wantEcho(t, "tcp", here)
			con.Send("exit 4\r")
			if code := con.Wait(soon); code != 4 {
				t.Errorf("exit code %d\n%s", code, con.Transcript())
			}
		}
	})
}

// TestSSHTinysshd knows one key type, one cipher and little else.
func TestSSHTinysshd(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		sshtest.Require(t, "tinysshd")
		keys := filepath.Join(t.TempDir(), "keys")
		if out, err := exec.Command(sshtest.Path(t, "tinysshd-makekey"), keys).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		known, err := exec.Command(sshtest.Path(t, "tinysshd-printkey"), keys).Output()
		if err != nil {
			t.Fatal(err)
		}
		// It accepts no home below a directory that everybody may write to, as
		// /tmp is: for it, there is another /tmp.
		const elsewhere = `home=$(dirname "$(getent passwd "$1" | cut -d: -f6)"); shift; cp -r "$1" "$home/keys" 2>/dev/null
			mount --bind "$home" /mnt && mount -t tmpfs -o mode=755 none /tmp && mkdir -p "$home" && mount --bind /mnt "$home" && exec "$2" "$home/keys"`
		s := serveWith(t, strings.TrimSpace(string(known)), "unshare", "-m", "sh", "-c", elsewhere, "sh", accountMark, keys, sshtest.Path(t, "tinysshd"))
		c.config = s.config(t)
		wantOrdinary(t, c)
		wantOrdinary(t, c, "-o", "KexAlgorithms=curve25519-sha256")
		c.fails([]string{"no matching cipher found", "cipher"}, "-c", "aes128-ctr", "other", "true")
	})
}

// TestSSHKeyExchanges has a server that knows one only, old or new.
func TestSSHKeyExchanges(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		for _, name := range []string{"diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha256", "diffie-hellman-group16-sha512", "ecdh-sha2-nistp521", "curve25519-sha256", "curve25519-sha256@libssh.org"} {
			chain.Host("jump").SetExtra("KexAlgorithms " + name)
			for _, list := range []string{name, "+" + name} {
				r := c.run("-v", "-o", "KexAlgorithms="+list, "jump", "echo in")
				if r.code != 0 || r.out != "in\n" || !strings.Contains(r.err, "kex: algorithm: "+name) {
					t.Errorf("%s: exit code %d, stdout %q, not in %q", list, r.code, r.out, lastLines(r.err, "kex"))
				}
			}
		}
		chain.Host("jump").SetExtra("KexAlgorithms diffie-hellman-group1-sha1")
		r := c.fails([]string{"no matching key exchange method found", "key exchange"}, "jump", "true")
		if !strings.Contains(r.err, "diffie-hellman-group1-sha1") {
			t.Errorf("the error does not say what the server has: %s", r.err)
		}
	})
}

func lastLines(text, with string) string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, with) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

// TestSSHCertificateOnly has a server that knows a certification authority and
// no key.
func TestSSHCertificateOnly(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		h := chain.Host("jump")
		ca := newKey(t, "ed25519")
		h.SetExtra("TrustedUserCAKeys "+ca+".pub", "AuthorizedKeysFile none")
		c.use(chain)
		c.fails([]string{"Permission denied (publickey", "permission denied"}, "jump", "true")
		sign := exec.Command(sshtest.Path(t, "ssh-keygen"), "-q", "-s", ca, "-I", "somebody", "-n", h.User(), h.IdentityFile()+".pub")
		if out, err := sign.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if out := c.must("jump", "echo in"); out != "in\n" || !strings.Contains(h.Log(), "ID somebody") {
			t.Errorf("stdout %q, log %s", out, h.Log())
		}
	})
}

// TestSSHTooManyKeys has six keys in the agent and a server that looks at
// three.
func TestSSHTooManyKeys(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump", ExtraConfig: []string{"MaxAuthTries 3"}})
		right := chain.Host("jump").IdentityFile()
		socket := agentWith(t, newKey(t, "ed25519"), newKey(t, "ed25519"), newKey(t, "ecdsa"), newKey(t, "ed25519"), newKey(t, "ed25519"), right)
		c.env = []string{"SSH_AUTH_SOCK=" + socket}
		c.use(chain, "IdentitiesOnly no")
		writeFile(t, c.config, strings.Replace(readFile(t, c.config), "IdentityFile "+right, "IdentityFile none", 1))
		c.fails([]string{"Too many authentication failures"}, "jump", "true")
		c.use(chain, "IdentitiesOnly yes")
		c.must("jump", "true")
	})
}

// agentWith runs an ssh-agent with keys for the test.
func agentWith(t testing.TB, keys ...string) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	agent := exec.Command(sshtest.Path(t, "ssh-agent"), "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { agent.Process.Kill(); agent.Wait() })
	await(t, "the agent listens", func() bool { return exists(socket) })
	for _, key := range keys {
		add := exec.Command(sshtest.Path(t, "ssh-add"), "-q", key)
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		if out, err := add.CombinedOutput(); err != nil {
			t.Fatalf("ssh-add: %v: %s", err, out)
		}
	}
	return socket
}

// TestSSHRekey renews keys many times in both directions.
func TestSSHRekey(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := twoJumps(t)
		c.use(chain)
		text := strings.Repeat("0123456789abcde\n", 400_000)
		cmd := c.cmd("-v", "-o", "RekeyLimit=1M", "target", "cat")
		cmd.Stdin = strings.NewReader(text)
		r := c.end(cmd)
		if n := strings.Count(r.err, "NEWKEYS sent"); r.code != 0 || r.out != text || n < 5 {
			t.Errorf("exit code %d, %d of %d bytes, %d key exchanges", r.code, len(r.out), len(text), n)
		}
	})
}
