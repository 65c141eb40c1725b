package identity

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
)

// TestMain lets the test's own binary stand for ssh-sk-helper.
func TestMain(m *testing.M) {
	if mode := os.Getenv("IDENTITY_TEST_HELPER"); mode != "" {
		fakeHelper(mode)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// fakeHelper answers one request: with a signature of nothing if it comes with
// the PIN 1234, else as mode says.
func fakeHelper(mode string) {
	var head [4]byte
	io.ReadFull(os.Stdin, head[:])
	req := make([]byte, binary.BigEndian.Uint32(head[:]))
	io.ReadFull(os.Stdin, req)
	fail := func(n uint32) []byte { return ssh.Marshal(struct{ Type, N uint32 }{0, n}) }
	var body []byte
	switch {
	case strings.HasSuffix(string(req), "\x00\x00\x00\x041234"):
		sig := ssh.Marshal(ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: make([]byte, 64), Rest: []byte{5, 0, 0, 0, 1}})
		body = ssh.Marshal(struct {
			Type uint32
			Sig  []byte
		}{1, sig})
	case mode == "pin":
		body = fail(43)
	case mode == "absent":
		fmt.Fprintln(os.Stderr, "no device here")
		body = fail(60)
	case mode == "exit":
		fmt.Fprintln(os.Stderr, "first line\nsomething broke")
		os.Exit(3)
	case mode == "garbage":
		body = []byte{9}
	case mode == "hang":
		select {}
	}
	msg := binary.BigEndian.AppendUint32(nil, uint32(len(body)+1))
	os.Stdout.Write(append(append(msg, helperVersion), body...))
}

// newSecurityKey makes a key in the dummy authenticator.
func newSecurityKey(t *testing.T, dir, kind string, args ...string) string {
	t.Helper()
	path := filepath.Join(dir, kind)
	args = append([]string{"-q", "-a", "1", "-t", kind, "-C", "the comment", "-f", path}, args...)
	run(t, dir, []string{"SSH_SK_PROVIDER=" + dummyProvider}, "ssh-keygen", args...)
	return path
}

// Security keys in files, plain and encrypted, certified, and in the agent
// after AddKeysToAgent, log in to a real server.
func TestSecurityKeys(t *testing.T) {
	for _, kind := range []string{"ed25519-sk", "ecdsa-sk"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			path := newSecurityKey(t, dir, kind, "-N", passphrase)
			ca := newKey(t, dir, "ca", "ed25519")
			srv := newServer(t, ca, path+".pub")
			socket := startAgent(t)
			p := &person{passphrases: []string{passphrase}}
			set := open(t, Config{Files: []string{path}, Agent: socket, SecurityKeyProvider: dummyProvider, AddKeysToAgent: "yes"}, p)
			id, err := srv.login(t, set)
			if err != nil {
				t.Fatalf("%v; notices %q", err, p.notices)
			}
			if len(p.notices) != 1 || !strings.HasPrefix(p.notices[0], "Confirm user presence for key "+strings.ToUpper(kind)+" SHA256:") {
				t.Errorf("notices %q", p.notices)
			}
			if !agentHas(t, socket, path) {
				t.Fatalf("not in the agent; notes %q", set.Notes())
			}
			srv.mustLogin(t, open(t, Config{Agent: socket}, nil), id.PublicKey().Type())

			certify(t, ca, path)
			cfg := Config{Files: []string{path}, SecurityKeyProvider: dummyProvider, PassphraseTries: 1,
				AcceptedAlgorithms: []string{strings.Replace(id.PublicKey().Type(), "@openssh.com", certSuffix, 1)}}
			srv.mustLogin(t, open(t, cfg, &person{passphrases: []string{passphrase}}), cfg.AcceptedAlgorithms[0])
		})
	}
}

func TestSecurityKeyWithoutTouch(t *testing.T) {
	path := newSecurityKey(t, t.TempDir(), "ed25519-sk", "-N", "", "-O", "no-touch-required")
	p := &person{}
	id := open(t, Config{Files: []string{path}, SecurityKeyProvider: dummyProvider}, p).Identities()[0]
	if _, err := id.Sign(nil, []byte("x")); err != nil || len(p.notices) != 0 {
		t.Errorf("%v, notices %q", err, p.notices)
	}
}

func TestSecurityKeyPIN(t *testing.T) {
	path := newSecurityKey(t, t.TempDir(), "ed25519-sk", "-N", "")
	t.Setenv("IDENTITY_TEST_HELPER", "pin")
	t.Setenv("SSH_SK_HELPER", os.Args[0])
	sign := func(p *person) error {
		_, err := open(t, Config{Files: []string{path}, SecurityKeyProvider: "internal"}, p).Identities()[0].Sign(nil, []byte("x"))
		return err
	}
	p := &person{pin: "1234"}
	if err := sign(p); err != nil {
		t.Fatal(err)
	}
	if want := []string{"PIN ED25519-SK ed25519-sk"}; !slices.Equal(p.asked, want) {
		t.Errorf("asked %q, want %q", p.asked, want)
	}
	if string(p.given[0]) != "\x00\x00\x00\x00" {
		t.Errorf("the PIN was not wiped: %q", p.given[0])
	}
	if err := sign(&person{pin: "0000"}); !errors.Is(err, errPIN) {
		t.Errorf("wrong PIN: %v", err)
	}
	if err := sign(&person{}); !errors.Is(err, ErrNoPassphrase) {
		t.Errorf("no PIN: %v", err)
	}
}

func TestSecurityKeyHelperFails(t *testing.T) {
	path := newSecurityKey(t, t.TempDir(), "ed25519-sk", "-N", "")
	for mode, want := range map[string]string{
		"absent":  `device not found ("no device here")`,
		"exit":    `exit status 3`,
		"garbage": "malformed reply",
	} {
		t.Setenv("IDENTITY_TEST_HELPER", mode)
		set := open(t, Config{Files: []string{path}, SecurityKeyProvider: "internal", SecurityKeyHelper: os.Args[0]}, nil)
		if _, err := set.Identities()[0].Sign(nil, []byte("x")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", mode, err)
		}
	}
	set := open(t, Config{Files: []string{path}, SecurityKeyProvider: "internal", SecurityKeyHelper: "/nonexistent"}, nil)
	if _, err := set.Identities()[0].Sign(nil, []byte("x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no helper: %v", err)
	}
}

// Close ends a helper that waits for a touch.
func TestCloseEndsHelper(t *testing.T) {
	path := newSecurityKey(t, t.TempDir(), "ed25519-sk", "-N", "")
	t.Setenv("IDENTITY_TEST_HELPER", "hang")
	touch := make(chan string, 1)
	ask := &touchAsker{touch: touch}
	set, err := Open(t.Context(), Config{Files: []string{path}, SecurityKeyProvider: "internal", SecurityKeyHelper: os.Args[0]}, ask)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() {
		_, err := set.Identities()[0].Sign(nil, []byte("x"))
		got <- err
	}()
	<-touch
	set.Close()
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

type touchAsker struct {
	person
	touch chan string
}

func (a *touchAsker) Notice(text string) {
	select {
	case a.touch <- text:
	default:
	}
}
