package sshtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Host is one host of a chain: a listener, and an sshd for each connection.
// It listens from the start until Kill or the end of the test.
type Host struct {
	// Name is the alias in the ssh_config.
	Name string
	// Addr is where clients find the host, "ip:port".
	Addr string
	// Account is who logs in, or nil when it is the user who runs the test.
	Account *Account
	// Passphrase opens the identity file, for EncryptedKey.
	Passphrase string

	// config: not changed after the start
	t       testing.TB
	cfg     HostConfig
	program string // sshd's path
	dir     string // sshd's files
	key     string // the client's identity file, "" without
	hostKey ssh.PublicKey
	service string // PAM service, "" without
	mark    string // environment of everything that runs in sessions
	codes   otp
	port    *reservedPort

	// state: guarded by mu
	mu          sync.Mutex
	listener    net.Listener // nil after Kill
	live        map[int]bool // pids of sshd, one a connection
	connections int
	running     sync.WaitGroup
}

// newHost makes the host's keys and configuration, and listens.
func newHost(t testing.TB, dir, clientDir string, cfg HostConfig) *Host {
	t.Helper()
	if cfg.ListenAddr == "" {
		cfg.ListenAddr = "127.0.0.1"
	}
	h := &Host{
		Name: cfg.Name, Account: cfg.Account,
		t: t, cfg: cfg, dir: dir, program: Path(t, "sshd"),
		mark: "SALLY_SSHTEST=" + randomHex(8),
		live: make(map[int]bool),
	}
	for _, d := range []string{dir, h.file("home")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.makeCredentials(clientDir)
	h.hostKey = writeKey(t, h.file("host_key"), "")
	h.SetExtra(cfg.ExtraConfig...)
	h.port = reservePort(t, cfg.ListenAddr)
	h.Addr = h.port.addr
	t.Cleanup(h.Kill)
	h.Restart()
	if cfg.Through != nil {
		h.Addr = cfg.Through(h.Addr)
	}
	return h
}

// makeCredentials makes what the client needs to log in, and tells the server.
func (h *Host) makeCredentials(clientDir string) {
	h.t.Helper()
	a := h.cfg.Auth
	if h.Account == nil && (a == Password || a.usesPAM()) {
		h.Account = NewAccount(h.t)
	}
	if a == EncryptedKey {
		h.Passphrase = "pass-" + randomHex(8)
	}
	if a.usesKey() {
		h.key = filepath.Join(clientDir, h.Name+".key")
		pub := writeKey(h.t, h.key, h.Passphrase)
		writeFile(h.t, h.file("authorized_keys"), string(ssh.MarshalAuthorizedKey(pub)), 0o644)
	}
	if a.usesPAM() {
		Require(h.t, "pam_oath.so")
		h.codes.secret = []byte(randomHex(10))
		h.service = h.codes.installPAM(h.t, h.dir, h.Account.Name)
	}
}

// writeKey makes an ed25519 key, writes it to file, encrypted when there is a
// passphrase, with its public half in file.pub.
func writeKey(t testing.TB, file, passphrase string) ssh.PublicKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, filepath.Base(file))
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, filepath.Base(file), []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, string(pem.EncodeToMemory(block)), 0o600)
	writeFile(t, file+".pub", string(ssh.MarshalAuthorizedKey(pub)), 0o644)
	return pub
}

func writeFile(t testing.TB, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func (h *Host) file(name string) string { return filepath.Join(h.dir, name) }

// User is the name to log in with.
func (h *Host) User() string {
	if h.Account != nil {
		return h.Account.Name
	}
	u, err := user.Current()
	if err != nil {
		h.t.Fatal(err)
	}
	return u.Username
}

// Code is the next one-time code, for KeyboardInteractive. Each is accepted
// once; up to 20 may be left out.
func (h *Host) Code() string { return h.codes.next() }

// IdentityFile is the private key that logs in, "" when the host wants none.
func (h *Host) IdentityFile() string { return h.key }

// HostKey is the host's public key.
func (h *Host) HostKey() ssh.PublicKey { return h.hostKey }

// Fingerprint is that of the host's key, "SHA256:…".
func (h *Host) Fingerprint() string { return ssh.FingerprintSHA256(h.hostKey) }

// knownHostsLine is the host's line, with key in the place of its own.
func (h *Host) knownHostsLine(key ssh.PublicKey) string {
	ip, port, _ := net.SplitHostPort(h.Addr)
	return fmt.Sprintf("[%s]:%s %s", ip, port, ssh.MarshalAuthorizedKey(key))
}

// Log is what sshd has logged so far, at LogLevel VERBOSE.
func (h *Host) Log() string {
	text, err := os.ReadFile(h.file("log"))
	if err != nil && !os.IsNotExist(err) {
		h.t.Error(err)
	}
	return string(text)
}

// AwaitLog waits until the log contains text, and fails the test otherwise.
func (h *Host) AwaitLog(text string, within time.Duration) {
	h.t.Helper()
	if !poll(within, func() bool { return strings.Contains(h.Log(), text) }) {
		h.t.Fatalf("%s: no %q in its log within %v:\n%s", h.Name, text, within, h.Log())
	}
}

// acceptedLine tells a login from "Accepted key … found at …", which is logged
// whenever a key is offered.
var acceptedLine = regexp.MustCompile(`(?m)^Accepted \S+ for \S+ from `)

// AcceptedLogins is the number of authentications that succeeded. sshd logs
// them as it answers the client: ask when a session has run, or use AwaitLog.
func (h *Host) AcceptedLogins() int {
	return len(acceptedLine.FindAllString(h.Log(), -1))
}

// Connections is the number of TCP connections the host has accepted.
func (h *Host) Connections() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.connections
}

// Open is the number of connections that are still served.
func (h *Host) Open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.live)
}
