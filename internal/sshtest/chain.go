package sshtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Chain is a set of hosts with the ssh_config, keys and known_hosts to reach
// them. It ends with the test.
type Chain struct {
	t         testing.TB
	clientDir string
	hosts     []*Host
	forged    map[string]string // host name to known_hosts line
}

// NewChain starts the hosts, each reached through the one before it unless its
// Via says otherwise. For jump1 → jump2 → two targets:
//
//	NewChain(t, HostConfig{Name: "jump1"}, HostConfig{Name: "jump2"},
//		HostConfig{Name: "target1"}, HostConfig{Name: "target2", Via: "jump2"})
func NewChain(t testing.TB, hosts ...HostConfig) *Chain {
	t.Helper()
	Require(t, "sshd")
	dir := publicDir(t)
	c := &Chain{t: t, clientDir: filepath.Join(dir, "client"), forged: make(map[string]string)}
	if err := os.Mkdir(c.clientDir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, cfg := range hosts {
		if cfg.Name == "" {
			t.Fatalf("host %d of the chain has no name", i+1)
		}
		if cfg.Via == "" && i > 0 {
			cfg.Via = hosts[i-1].Name
		}
		c.hosts = append(c.hosts, newHost(t, filepath.Join(dir, cfg.Name), c.clientDir, cfg))
	}
	writeFile(t, c.ConfigFile(), c.Config(), 0o600)
	c.writeKnownHosts()
	return c
}

// Dir is the client's directory, 0700, with a short name: it holds the config,
// the keys and known_hosts, and may receive more.
func (c *Chain) Dir() string { return c.clientDir }

// ConfigFile is an ssh_config for all hosts, for "-F".
func (c *Chain) ConfigFile() string { return filepath.Join(c.clientDir, "config") }

// KnownHostsFile holds one line for each host.
func (c *Chain) KnownHostsFile() string { return filepath.Join(c.clientDir, "known_hosts") }

// Host is the host with the name; the test ends if there is none.
func (c *Chain) Host(name string) *Host {
	c.t.Helper()
	for _, h := range c.hosts {
		if h.Name == name {
			return h
		}
	}
	c.t.Fatalf("no host %q in the chain", name)
	return nil
}

// Config is the text of ConfigFile.
func (c *Chain) Config() string {
	var b strings.Builder
	for _, h := range c.hosts {
		fmt.Fprintf(&b, "Host %s\n", h.Name)
		for _, line := range c.hostLines(h) {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	return b.String()
}

func (c *Chain) hostLines(h *Host) []string {
	ip, port, _ := net.SplitHostPort(h.Addr)
	lines := append([]string{}, h.cfg.ClientConfig...)
	lines = append(lines,
		"HostName "+ip,
		"Port "+port,
		"User "+h.User(),
		"IdentitiesOnly yes",
		"UserKnownHostsFile "+c.KnownHostsFile(),
		"GlobalKnownHostsFile /dev/null",
		"StrictHostKeyChecking yes",
	)
	if h.key != "" {
		lines = append(lines, "IdentityFile "+h.key)
	} else {
		lines = append(lines, "PubkeyAuthentication no")
	}
	if h.cfg.Via != "" {
		lines = append(lines, "ProxyJump "+h.cfg.Via)
	}
	return lines
}

func (c *Chain) writeKnownHosts() {
	var b strings.Builder
	for _, h := range c.hosts {
		if line, ok := c.forged[h.Name]; ok {
			b.WriteString(line)
			continue
		}
		b.WriteString(h.knownHostsLine(h.hostKey))
	}
	writeFile(c.t, c.KnownHostsFile(), b.String(), 0o600)
}

// ForgeKnownHost puts another key in known_hosts for the host, as if its key
// had changed since, and returns that key's fingerprint and its line, from 1.
func (c *Chain) ForgeKnownHost(name string) (fingerprint string, line int) {
	c.t.Helper()
	h := c.Host(name)
	old := writeKey(c.t, filepath.Join(h.dir, "old_host_key"), "")
	c.forged[name] = h.knownHostsLine(old)
	c.writeKnownHosts()
	for i := range c.hosts {
		if c.hosts[i] == h {
			line = i + 1
		}
	}
	return ssh.FingerprintSHA256(old), line
}

// SSH is a stock ssh that reads the chain's config only.
func (c *Chain) SSH(args ...string) *exec.Cmd {
	c.t.Helper()
	return exec.CommandContext(c.t.Context(), Path(c.t, "ssh"), append([]string{"-F", c.ConfigFile()}, args...)...)
}
