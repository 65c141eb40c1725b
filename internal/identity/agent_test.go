package identity

import (
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// agentHas tells whether the agent holds the key of a .pub file.
func agentHas(t *testing.T, socket, path string) bool {
	t.Helper()
	p, err := loadPublic(path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dialAgent(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	keys, err := conn.client.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if equal(p.key, k) {
			if k.Comment != "the comment" {
				t.Errorf("comment in the agent: %q", k.Comment)
			}
			return true
		}
	}
	return false
}

func TestAddKeysToAgent(t *testing.T) {
	dir := t.TempDir()
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		keygen(t, dir, "-t", kind, "-N", passphrase, "-C", "the comment", "-f", filepath.Join(dir, kind))
	}
	for _, c := range []struct {
		mode, key string
		yes, want bool
	}{
		{"yes", "ed25519", false, true},
		{"yes", "ecdsa", false, true},
		{"yes", "rsa", false, true},
		{"", "ed25519", true, false},
		{"no", "ed25519", true, false},
		{"ask", "ed25519", true, true},
		{"ask", "ed25519", false, false},
	} {
		socket := startAgent(t)
		path := filepath.Join(dir, c.key)
		p := &person{passphrases: []string{passphrase}, yes: c.yes}
		set := open(t, Config{Files: []string{path}, Agent: socket, AddKeysToAgent: c.mode}, p)
		signs(t, set)
		if got := agentHas(t, socket, path); got != c.want {
			t.Errorf("%+v: in the agent: %v; notes %q", c, got, set.Notes())
		}
		question := "Add key " + path + " (the comment) to agent?"
		if asked := slices.Contains(p.asked, question); asked != (c.mode == "ask") {
			t.Errorf("%+v: asked %q", c, p.asked)
		}
	}
}

// A key that was added with "confirm" is not used without a confirmation: this
// agent's askpass always refuses.
func TestAddKeysConfirm(t *testing.T) {
	dir := t.TempDir()
	path := newKey(t, dir, "key", "ed25519")
	t.Setenv("SSH_ASKPASS", "/bin/false")
	t.Setenv("DISPLAY", "none")
	socket := startAgent(t)
	signs(t, open(t, Config{Files: []string{path}, Agent: socket, AddKeysToAgent: "confirm"}, nil))
	set := open(t, Config{Agent: socket}, nil)
	if len(set.Identities()) != 1 {
		t.Fatalf("the agent has %v", set.Identities())
	}
	if _, err := set.Identities()[0].Sign(nil, []byte("x")); err == nil {
		t.Error("signed without a confirmation")
	}
}

func TestAddKeysLifetime(t *testing.T) {
	dir := t.TempDir()
	path := newKey(t, dir, "key", "ed25519")
	keygen(t, dir, "-c", "-C", "the comment", "-f", path)
	socket := startAgent(t)
	cfg := Config{Files: []string{path}, Agent: socket, AddKeysToAgent: "yes", AddKeysLifetime: time.Millisecond}
	signs(t, open(t, cfg, nil))
	for deadline := time.Now().Add(20 * time.Second); agentHas(t, socket, path); {
		if time.Now().After(deadline) {
			t.Fatal("the key outlives its lifetime")
		}
		time.Sleep(50 * time.Millisecond)
	}
	for d, want := range map[time.Duration]uint32{0: 0, 1: 1, time.Second: 1, 90 * time.Minute: 5400, 1 << 62: 1<<32 - 1} {
		if got := lifetimeSeconds(d); got != want {
			t.Errorf("%v: %d seconds, want %d", d, got, want)
		}
	}
}

// An agent key that is restricted to one host is offered to that host only,
// and signs only for the session that the connection is bound to.
func TestSessionBinding(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t, dir, "key", "ed25519")
	var known strings.Builder
	hosts := make(map[string]ssh.Signer)
	for _, name := range []string{"good", "bad"} {
		text, err := os.ReadFile(newKey(t, dir, name, "ed25519"))
		if err != nil {
			t.Fatal(err)
		}
		if hosts[name], err = ssh.ParsePrivateKey(text); err != nil {
			t.Fatal(err)
		}
		known.WriteString(name + " " + string(ssh.MarshalAuthorizedKey(hosts[name].PublicKey())))
	}
	write(t, filepath.Join(dir, "known"), known.String(), 0o644)
	socket := startAgent(t)
	sshAdd(t, socket, "-q", "-H", filepath.Join(dir, "known"), "-h", "good", key)

	session := []byte("0123456789abcdef0123456789abcdef")
	bind := func(host string) *Set {
		sig, err := hosts[host].Sign(rand.Reader, session)
		if err != nil {
			t.Fatal(err)
		}
		return open(t, Config{Agent: socket, Bind: &Binding{
			HostKey: hosts[host].PublicKey(), SessionID: session, Signature: ssh.Marshal(sig),
		}}, nil)
	}
	if set := bind("bad"); len(set.Identities()) != 0 || len(set.Notes()) != 0 {
		t.Errorf("bound to another host: offered %v, notes %q", set.Identities(), set.Notes())
	}
	set := bind("good")
	if len(set.Identities()) != 1 {
		t.Fatalf("bound to the host: offered %v, notes %q", set.Identities(), set.Notes())
	}
	id := set.Identities()[0]
	if _, err := id.Sign(nil, authRequest(session, id)); err != nil {
		t.Errorf("this session: %v", err)
	}
	if _, err := id.Sign(nil, authRequest([]byte("another session"), id)); err == nil {
		t.Error("signed for another session")
	}
}

// authRequest is what a client signs to log in. RFC 4252 §7
func authRequest(session []byte, id *Identity) []byte {
	return ssh.Marshal(struct {
		Session               []byte
		Message               byte
		User, Service, Method string
		Signed                bool
		Algorithm             string
		Key                   []byte
	}{session, 50, "root", "ssh-connection", "publickey", true, id.PublicKey().Type(), id.PublicKey().Marshal()})
}

// A signature by another key is refused, and the keys are listed all the same.
func TestBindingRefused(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t, dir, "key", "ed25519")
	p, err := loadPublic(key)
	if err != nil {
		t.Fatal(err)
	}
	socket := startAgent(t)
	sshAdd(t, socket, "-q", key)
	set := open(t, Config{Agent: socket, Bind: &Binding{HostKey: p.key, SessionID: []byte("x"), Signature: []byte("y")}}, nil)
	if len(set.Identities()) != 1 || len(set.Notes()) != 1 || !strings.Contains(set.Notes()[0], "bind agent") {
		t.Errorf("offered %v, notes %q", set.Identities(), set.Notes())
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := BindSession(conn, p.key, []byte("x"), []byte("y"), true); !errors.Is(err, ErrAgentRefused) {
		t.Errorf("bind: %v", err)
	}
	if err := BindSession(conn, nil, nil, nil, false); err == nil {
		t.Error("bound without a host key")
	}
}

// Replies that no honest agent gives.
func TestAgentGarbage(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t, dir, "key", "ed25519")
	p, err := loadPublic(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, reply := range []string{"", "\x00", "\x00\x00\x00\x00", "\xff\xff\xff\xff", "\x00\x00\x00\x05\x06", "\x00\x00\x00\x01\x05"} {
		ours, theirs := net.Pipe()
		go func() {
			buf := make([]byte, 4096)
			theirs.Read(buf)
			theirs.Write([]byte(reply))
			theirs.Close()
		}()
		if err := BindSession(ours, p.key, []byte("x"), []byte("y"), false); err == nil {
			t.Errorf("%q was taken for success", reply)
		}
		ours.Close()
	}
}
