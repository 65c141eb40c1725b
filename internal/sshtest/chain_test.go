package sshtest

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run is a stock ssh that may not ask anything.
func run(t *testing.T, c *Chain, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := c.SSH(append([]string{"-o", "BatchMode=yes"}, args...)...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func TestChainOfKeys(t *testing.T) {
	LeakCheck(t)
	c := NewChain(t, HostConfig{Name: "jump1"}, HostConfig{Name: "jump2"},
		HostConfig{Name: "target1"}, HostConfig{Name: "target2", Via: "jump2"})
	for _, target := range []string{"target1", "target2"} {
		out, errOut, status := run(t, c, target, "echo at $SSH_CONNECTION; exit 7")
		if !strings.HasPrefix(out, "at 127.0.0.1") || status != 7 {
			t.Errorf("%s: %q %q %d", target, out, errOut, status)
		}
	}
	for name, want := range map[string]int{"jump1": 2, "jump2": 2, "target1": 1, "target2": 1} {
		h := c.Host(name)
		if h.AcceptedLogins() != want || h.Connections() != want {
			t.Errorf("%s: %d logins, %d connections, want %d\n%s",
				name, h.AcceptedLogins(), h.Connections(), want, h.Log())
		}
	}
}

func TestChainOfMixedAuthentication(t *testing.T) {
	LeakCheck(t)
	c := NewChain(t,
		HostConfig{Name: "jump1", Auth: Password},
		HostConfig{Name: "jump2", Auth: KeyboardInteractive},
		HostConfig{Name: "target", Auth: EncryptedKey})
	con := Tty(t, c.SSH("-t", "target", "echo in as $(whoami); stty size; exit 3"))
	j1, j2, target := c.Host("jump1"), c.Host("jump2"), c.Host("target")
	within := 20 * time.Second
	con.Expect("assword: ", within)
	con.Send("wrong\r")
	con.Expect("assword: ", within)
	con.Send(j1.Account.Password + "\r")
	con.Expect("Password: ", within)
	con.Send(j2.Account.Password + "\r")
	con.Expect("One-time password", within)
	con.Send(j2.Code() + "\r")
	con.Expect("Enter passphrase", within)
	con.Send(target.Passphrase + "\r")
	con.Expect("in as "+target.User(), within)
	con.Expect("24 80", within)
	if status := con.Wait(within); status != 3 {
		t.Errorf("status %d", status)
	}
	for _, h := range []*Host{j1, j2, target} {
		if h.AcceptedLogins() != 1 {
			t.Errorf("%s: %d logins\n%s", h.Name, h.AcceptedLogins(), h.Log())
		}
	}
	j1.AwaitLog("Failed password", time.Second)
}

func TestKeyThenKeyboardInteractive(t *testing.T) {
	c := NewChain(t, HostConfig{Name: "host", Auth: KeyAndKeyboardInteractive})
	h := c.Host("host")
	for range 2 {
		con := Tty(t, c.SSH("host", "whoami"))
		con.Expect("Password: ", soon)
		con.Send(h.Account.Password + "\r")
		con.Expect("One-time password", soon)
		con.Send(h.Code() + "\r")
		con.Expect(h.Account.Name, soon)
		if status := con.Wait(soon); status != 0 {
			t.Errorf("status %d", status)
		}
	}
	if h.AcceptedLogins() != 2 {
		t.Errorf("%d logins\n%s", h.AcceptedLogins(), h.Log())
	}
}

func TestHostOnIPv6(t *testing.T) {
	c := NewChain(t, HostConfig{Name: "six", ListenAddr: "::1"})
	out, errOut, status := run(t, c, "six", "echo $SSH_CONNECTION")
	if !strings.HasPrefix(out, "::1 ") || status != 0 {
		t.Errorf("%q %q %d", out, errOut, status)
	}
}

func TestHostBehindAProxyWithExtraLines(t *testing.T) {
	var proxy *Proxy
	c := NewChain(t, HostConfig{
		Name: "host",
		Through: func(addr string) string {
			proxy = NewProxy(t, addr)
			return proxy.Addr
		},
		ExtraConfig:  []string{"ForceCommand echo forced", "Match User nobody", "ForceCommand false"},
		ClientConfig: []string{"RequestTTY no"},
	})
	out, errOut, status := run(t, c, "host")
	if out != "forced\n" || status != 0 || proxy.Connections() != 1 {
		t.Errorf("%q %q %d, %d connections", out, errOut, status, proxy.Connections())
	}
	c.Host("host").SetExtra("ForceCommand echo other")
	if out, _, _ := run(t, c, "host"); out != "other\n" {
		t.Errorf("after SetExtra: %q", out)
	}
}

func TestForgedHostKey(t *testing.T) {
	c := NewChain(t, HostConfig{Name: "a"}, HostConfig{Name: "b"})
	_, line := c.ForgeKnownHost("b")
	_, errOut, status := run(t, c, "b", "true")
	if line != 2 || status != 255 || !strings.Contains(errOut, "IDENTIFICATION HAS CHANGED") ||
		!strings.Contains(errOut, c.Host("b").Fingerprint()) || !strings.Contains(errOut, c.KnownHostsFile()+":2") {
		t.Errorf("line %d, status %d: %s", line, status, errOut)
	}
	if n := c.Host("b").AcceptedLogins(); n != 0 {
		t.Errorf("%d logins", n)
	}
}
