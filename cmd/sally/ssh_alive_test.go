package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// TestSSHServerAlive ends the session with a server that fell silent.
func TestSSHServerAlive(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		session := c.start("-o", "ServerAliveInterval=2", "-o", "ServerAliveCountMax=1", "jump", "echo up; cat")
		session.expect("up")
		chain.Host("jump").Freeze()
		start := time.Now()
		if code := session.wait(soon); code != 255 || time.Since(start) > soon {
			t.Errorf("exit code %d after %v", code, time.Since(start))
		}
		if !containsAny(session.err.String(), []string{"Timeout, server 127.0.0.1 not responding", "keepalive", "no answer"}) {
			t.Errorf("stderr %q", session.err)
		}
	})
}

// TestSSHConnectTimeout bounds the connection, and what comes after it.
func TestSSHConnectTimeout(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		peers := map[string]string{"nobody answers": sshtest.BlackHole(t), "no banner": sshtest.SilentPeer(t).Addr}
		if c.ours() {
			peers["no key exchange"] = sshtest.SilentAfterBanner(t).Addr // there OpenSSH 9.2 waits for ever
		}
		for name, addr := range peers {
			r := c.fails([]string{"timed out", "no answer", "said nothing for 1s"}, "-o", "ConnectTimeout=1", "-o", "StrictHostKeyChecking=no", "ssh://"+addr, "true")
			if r.took > soon {
				t.Errorf("%s: took %v", name, r.took)
			}
		}
	})
}

// TestSSHConnectionAttempts goes on until the host listens.
func TestSSHConnectionAttempts(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		h := chain.Host("jump")
		h.Kill()
		c.fails([]string{"refused"}, "jump", "true")
		session := c.start("-v", "-o", "ConnectionAttempts=30", "jump", "echo up")
		if !session.err.await("refused", soon) {
			t.Fatalf("stderr %q", session.err)
		}
		h.Restart()
		if code := session.wait(soon); code != 0 || session.out.String() != "up\n" {
			t.Errorf("exit code %d, stderr %q", code, session.err)
		}
	})
}

// TestSSHExitCodes has the failures that are no session's.
func TestSSHExitCodes(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		c.use(chain)
		bad := filepath.Join(t.TempDir(), "bad")
		writeFile(t, bad, "Host *\n  NoSuchKeyword yes\n")
		for _, args := range [][]string{
			{"-F", bad, "jump", "true"}, {"-F", "/no/such/file", "jump"}, {"-o", "Port=x", "jump"}, {"-o", "Nonsense=1", "jump"}, {"-p", "0", "jump"},
			{"-Q", "nonsense"}, {"-!"}, {}, {"-o", "PubkeyAuthentication=no", "-o", "BatchMode=yes", "jump", "true"},
			{"-o", "HostName=no-such-host.invalid", "jump", "true"}, {"-O", "check", "jump"}, {"-o", "Ciphers=nonsense", "jump", "true"},
		} {
			if r := c.run(args...); r.code != 255 || r.err == "" || r.out != "" {
				t.Errorf("%q: %+v", args, r)
			}
		}
		for command, want := range map[string]int{"exit 0": 0, "exit 1": 1, "exit 254": 254, "exit 255": 255, "kill -9 $$": 255, "no-such-command 2>/dev/null": 127} {
			if r := c.run("jump", command); r.code != want {
				t.Errorf("%q: %+v", command, r)
			}
		}
		if r := c.run("-V"); r.code != 0 || r.err == "" || r.out != "" {
			t.Errorf("-V: %+v", r)
		}
		for _, what := range []string{"cipher", "cipher-auth", "mac", "kex", "key", "key-cert", "key-plain", "key-sig", "sig", "protocol-version", "HostKeyAlgorithms"} {
			if r := c.run("-Q", what); r.code != 0 || r.out == "" || r.err != "" {
				t.Errorf("-Q %s: %+v", what, r)
			}
		}
	})
}

// TestSSHMessages is LogLevel, -q, -v and -E.
func TestSSHMessages(t *testing.T) {
	both(t, func(t *testing.T, c *client) {
		chain := oneJump(t)
		chain.Host("jump").SetExtra("Banner " + filepath.Join(chain.Dir(), "banner"))
		writeFile(t, filepath.Join(chain.Dir(), "banner"), "Authorized use only\n")
		c.use(chain)
		const command = "echo out; echo err >&2"
		for _, tc := range []struct {
			options        []string
			banner, debugs bool
		}{
			{nil, true, false}, {[]string{"-q"}, false, false}, {[]string{"-o", "LogLevel=QUIET"}, false, false}, {[]string{"-o", "LogLevel=ERROR"}, false, false},
			{[]string{"-v"}, true, true}, {[]string{"-vvv"}, true, true}, {[]string{"-o", "LogLevel=DEBUG1"}, true, true},
		} {
			r := c.run(append(tc.options, "jump", command)...)
			if r.code != 0 || r.out != "out\n" || !strings.Contains(r.err, "err\n") || strings.Contains(r.err, "Authorized") != tc.banner || strings.Contains(r.err, "debug1: ") != tc.debugs {
				t.Errorf("%q: %+v", tc.options, r)
			}
		}
		log := filepath.Join(t.TempDir(), "log")
		if r := c.run("-E", log, "-v", "jump", "echo err >&2"); !strings.HasSuffix(r.err, "err\n") || strings.Contains(r.err, "debug1") || !strings.Contains(readFile(t, log), "debug1: ") {
			t.Errorf("-E: %+v", r)
		}
		chain.Host("jump").Kill()
		if r := c.run("-q", "jump", "true"); r.code != 255 || r.err != "" {
			t.Errorf("-q on a failure: %+v", r)
		}
		os.Remove(log)
		if r := c.run("-E", log, "jump", "true"); r.code != 255 || r.err != "" || !strings.Contains(readFile(t, log), "refused") {
			t.Errorf("-E on a failure: %+v", r)
		}
	})
}
