//go:build unix

package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// newKey makes an ed25519 key.
func newKey() (ed25519.PrivateKey, ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	signer, err := ssh.NewSignerFromKey(key)
	return key, signer, err
}

// newUserKey makes a key, writes it to path in OpenSSH's format with its public
// half beside it, and returns the latter.
func newUserKey(path string) (ssh.PublicKey, error) {
	key, signer, err := newKey()
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "sally demo")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	pub := signer.PublicKey()
	return pub, os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(pub), 0o600)
}

// makeHome makes the directory in which a target's commands run, with a prompt
// that shows which host a person is on.
func (h *host) makeHome() error {
	if err := os.MkdirAll(h.home, 0o700); err != nil {
		return err
	}
	profile := fmt.Sprintf("PS1='%s@%s$ '\n", User, h.name)
	return os.WriteFile(filepath.Join(h.home, ".profile"), []byte(profile), 0o600)
}

// newCode makes a one-time code of six digits.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // crypto/rand.Reader never fails
	}
	return fmt.Sprintf("%06d", n)
}

// writeFiles writes known_hosts and config.
func (n *Network) writeFiles() error {
	var known, config strings.Builder
	fmt.Fprintf(&config, "# Demo network: %d jump hosts, then %d targets.\n", len(n.jumps), len(n.targets))
	for _, h := range n.hosts() {
		known.WriteString(h.knownHostsLine())
		config.WriteString(h.configBlock(n.dir))
	}
	n.config = config.String()
	if err := os.WriteFile(filepath.Join(n.dir, "known_hosts"), []byte(known.String()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(n.ConfigFile(), []byte(n.config), 0o600)
}

func (h *host) knownHostsLine() string {
	ip, port, _ := net.SplitHostPort(h.addr)
	return fmt.Sprintf("[%s]:%s %s", ip, port, ssh.MarshalAuthorizedKey(h.hostKey.PublicKey()))
}

func (h *host) configBlock(dir string) string {
	ip, port, _ := net.SplitHostPort(h.addr)
	var b strings.Builder
	fmt.Fprintf(&b, "\nHost %s\n", h.name)
	for _, kv := range [][2]string{
		{"HostName", ip},
		{"Port", port},
		{"User", User},
		{"IdentityFile", quotePath(filepath.Join(dir, h.name+".key"))},
		{"IdentitiesOnly", "yes"},
		{"UserKnownHostsFile", quotePath(filepath.Join(dir, "known_hosts"))},
		{"StrictHostKeyChecking", "yes"},
	} {
		fmt.Fprintf(&b, "    %s %s\n", kv[0], kv[1])
	}
	if h.behind != nil {
		fmt.Fprintf(&b, "    ProxyJump %s\n", h.behind.name)
	}
	return b.String()
}

// quotePath writes a path as ssh_config(5) reads it: "%" begins a token, and
// spaces need quotes.
func quotePath(p string) string {
	return `"` + strings.ReplaceAll(p, "%", "%%") + `"`
}
