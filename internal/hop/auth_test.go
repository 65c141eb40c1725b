package hop

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

var errWrong = errors.New("wrong")

// acceptKey is a PublicKeyCallback that accepts the keys of the seeds.
func acceptKey(t testing.TB, seeds ...byte) func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
	return func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		for _, seed := range seeds {
			if string(newSigner(t, seed).PublicKey().Marshal()) == string(key.Marshal()) {
				return nil, nil
			}
		}
		return nil, errWrong
	}
}

func acceptPassword(right string) func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) {
	return func(_ ssh.ConnMetadata, got []byte) (*ssh.Permissions, error) {
		if string(got) != right {
			return nil, errWrong
		}
		return nil, nil
	}
}

// twoRounds asks for a password and then for a code, with an empty round at
// the end.
func twoRounds(_ ssh.ConnMetadata, challenge ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	for _, want := range []string{"secret", "42"} {
		got, err := challenge("Login", "Second factor\x1b[2J", []string{"Give it: "}, []bool{false})
		if err != nil || len(got) != 1 || got[0] != want {
			return nil, errWrong
		}
	}
	_, err := challenge("", "Welcome back", nil, nil)
	return nil, err
}

func TestKeysAreOfferedOneByOne(t *testing.T) {
	s := newServer(t, &ssh.ServerConfig{PublicKeyCallback: acceptKey(t, '3'), MaxAuthTries: 6})
	h := s.hop(t)
	for _, seed := range []byte("123") {
		h.Options.Auth.IdentityFiles = append(h.Options.Auth.IdentityFiles, keyFile(t, seed))
	}
	c, err := dialHop(t, h, answers())
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Info().AuthMethod; got != "publickey" {
		t.Errorf("method is %q", got)
	}
	if got := s.log(); got != "none publickey publickey publickey+" {
		t.Errorf("server saw %q", got)
	}
}

func TestMaxAuthTries(t *testing.T) {
	s := newServer(t, &ssh.ServerConfig{PublicKeyCallback: acceptKey(t, '9'), MaxAuthTries: 2})
	h := s.hop(t)
	for _, seed := range []byte("1239") {
		h.Options.Auth.IdentityFiles = append(h.Options.Auth.IdentityFiles, keyFile(t, seed))
	}
	_, err := dialHop(t, h, answers())
	wantStage(t, err, StageAuthenticate, `permission denied for user "u"`, "tried publickey", "key49", "the server disconnected", "too many authentication failures")
}

func TestEncryptedKey(t *testing.T) {
	block, err := ssh.MarshalPrivateKeyWithPassphrase(newRaw('1'), "", []byte("opensesame"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "locked")
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		answers []string
		batch   bool
		ok      bool
		kinds   string
	}{
		{"right", []string{"opensesame"}, false, true, "passphrase"},
		{"wrong, then right", []string{"x", "opensesame"}, false, true, "passphrase passphrase"},
		{"BatchMode", []string{"opensesame"}, true, false, ""},
		{"nobody", nil, false, false, "passphrase"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, &ssh.ServerConfig{PublicKeyCallback: acceptKey(t, '1')})
			h := s.hop(t)
			h.Options.Auth.IdentityFiles, h.Options.Auth.BatchMode = []string{path}, test.batch
			ask := answers(test.answers...)
			_, err := dialHop(t, h, ask)
			if (err == nil) != test.ok {
				t.Errorf("error is %v", err)
			}
			if got := ask.kinds(); got != test.kinds {
				t.Errorf("asked %q, want %q", got, test.kinds)
			}
			if len(ask.asked) > 0 && !strings.Contains(ask.asked[0].Text, "box") {
				t.Errorf("the prompt does not name its hop: %q", ask.asked[0].Text)
			}
		})
	}
}

func TestPassword(t *testing.T) {
	for _, test := range []struct {
		name    string
		answers []string
		log     string
		errs    []string
	}{
		{"right", []string{"secret"}, "none password+", nil},
		{"wrong twice", []string{"x", "y", "secret"}, "none password password password+", nil},
		{"wrong", []string{"x", "y", "z", "secret"}, "none password password password",
			[]string{"server accepts only password; tried password"}},
		{"nobody", nil, "none", []string{"nobody to ask"}},
		{"refused", []string{"^C"}, "none", []string{"cancelled"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, &ssh.ServerConfig{PasswordCallback: acceptPassword("secret")})
			ask := answers(test.answers...)
			_, err := dialHop(t, s.hop(t), ask)
			if test.errs == nil && err != nil {
				t.Error(err)
			} else if test.errs != nil {
				wantStage(t, err, StageAuthenticate, test.errs...)
			}
			if got := s.log(); got != test.log {
				t.Errorf("server saw %q, want %q", got, test.log)
			}
			if q := ask.asked[0]; q.Kind != KindPassword || q.Echo || q.Text != "u@box's password: " {
				t.Errorf("asked %+v", q)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Error("the error holds an answer")
			}
		})
	}
}

func TestSeveralMethodsInARow(t *testing.T) {
	password := ssh.ServerAuthCallbacks{PasswordCallback: acceptPassword("secret")}
	interactive := ssh.ServerAuthCallbacks{KeyboardInteractiveCallback: twoRounds}
	for _, test := range []struct {
		name    string
		next    ssh.ServerAuthCallbacks
		answers []string
		log     string
	}{
		{"publickey, password", password, []string{"x", "secret"}, "none publickey~ password password+"},
		{"publickey, keyboard-interactive", interactive, []string{"secret", "42"}, "none publickey~ keyboard-interactive+"},
		{"a wrong code first", interactive, []string{"secret", "41", "secret", "42"},
			"none publickey~ keyboard-interactive keyboard-interactive+"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
				return nil, &ssh.PartialSuccessError{Next: test.next}
			}})
			h := s.hop(t)
			h.Options.Auth.IdentityFiles = []string{keyFile(t, '1')}
			ask := answers(test.answers...)
			if _, err := dialHop(t, h, ask); err != nil {
				t.Error(err)
			}
			if got := s.log(); got != test.log {
				t.Errorf("server saw %q, want %q", got, test.log)
			}
		})
	}
}

func TestKeyboardInteractive(t *testing.T) {
	s := newServer(t, &ssh.ServerConfig{KeyboardInteractiveCallback: twoRounds})
	ask := answers("secret", "42")
	if _, err := dialHop(t, s.hop(t), ask); err != nil {
		t.Fatal(err)
	}
	if q := ask.asked[0]; q.Text != "(u@box) Give it: " || q.Intro != "Login\nSecond factor[2J\n" || q.Kind != KindKeyboardInteractive {
		t.Errorf("asked %+v", q)
	}
	if got := ask.heard(NoticeInfo); got != "Welcome back\n\n" {
		t.Errorf("the round without a prompt said %q", got)
	}
}

// A server that offers keyboard-interactive and asks nothing, as sshd does without
// PAM, is tried once and refuses the keys.
func TestKeyboardInteractiveWithoutQuestion(t *testing.T) {
	s := newServer(t, &ssh.ServerConfig{PublicKeyCallback: acceptKey(t, '2'), KeyboardInteractiveCallback: func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		return nil, errors.New("no device")
	}})
	for _, test := range []struct {
		keys  []string
		cause Cause
		log   string
	}{
		{[]string{keyFile(t, '1')}, CauseKeysRefused, "none publickey keyboard-interactive"},
		{nil, CauseNoKeys, "none publickey keyboard-interactive none keyboard-interactive"},
	} {
		h := s.hop(t)
		h.Options.Auth.IdentityFiles, h.Options.Auth.IdentitiesOnly = test.keys, true
		_, err := dialHop(t, h, answers())
		wantStage(t, err, StageAuthenticate, "server accepts only publickey, keyboard-interactive")
		if strings.Contains(err.Error(), "unexpected message") || CauseOf(err) != test.cause {
			t.Errorf("%s: %v", CauseOf(err), err)
		}
		if got := s.log(); got != test.log {
			t.Errorf("server saw %q, want %q", got, test.log)
		}
	}
}

func TestBatchModeAsksNothing(t *testing.T) {
	s := newServer(t, &ssh.ServerConfig{PasswordCallback: acceptPassword("x"), KeyboardInteractiveCallback: twoRounds})
	h := s.hop(t)
	h.Options.Auth.BatchMode = true
	ask := answers("x")
	_, err := dialHop(t, h, ask)
	wantStage(t, err, StageAuthenticate, "nothing to try")
	if len(ask.asked) > 0 {
		t.Errorf("asked %+v", ask.asked)
	}
}

func TestPreferredAuthentications(t *testing.T) {
	s := newServer(t, &ssh.ServerConfig{PasswordCallback: acceptPassword("x"), PublicKeyCallback: acceptKey(t, '1')})
	h := s.hop(t)
	h.Options.Auth.IdentityFiles = []string{keyFile(t, '1')}
	h.Options.Auth.PreferredAuthentications = []string{"password", "publickey"}
	if _, err := dialHop(t, h, answers("wrong", "wrong", "wrong")); err != nil {
		t.Error(err)
	}
	if got := s.log(); got != "none password password password publickey+" {
		t.Errorf("server saw %q", got)
	}
}

// Methods that are not implemented are named when they are what the server
// wants.
func TestDeclinedMethods(t *testing.T) {
	h := newServer(t, nil).hop(t)
	h.Options.Auth.GSSAPI, h.Options.Auth.Hostbased = true, true
	a := newAuthenticator(context.Background(), h, answers(), newDial(Config{Hop: h}).log, nil)
	m, err := a.next(&ssh.ClientAuthContext{AllowedMethods: []string{"gssapi-with-mic", "hostbased"}})
	if m != nil || err != nil {
		t.Fatalf("next is %v, %v", m, err)
	}
	got := a.failure(errors.New("ssh: unable to authenticate, attempted methods [none], no supported methods remain")).Error()
	want := `permission denied for user "u": server accepts only gssapi-with-mic, hostbased; nothing to try; not supported here: gssapi-with-mic, hostbased`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestExpiredPassword(t *testing.T) {
	a := newAuthenticator(context.Background(), testHop(t, newServer(t, nil).addr), answers(), nil, nil)
	a.tried = []string{"publickey", "password"}
	if err := a.failure(errors.New("ssh: handshake failed: ssh: unexpected message type 60 (expected 52)")); !errors.Is(err, ErrPasswordExpired) {
		t.Errorf("error is %v", err)
	}
}

// A server that does not say which signatures it knows gets SHA-2, when SHA-1
// is not allowed.
func TestRSAWithoutServerSigAlgs(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rsa")
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	h := testHop(t, newServer(t, nil).addr)
	h.Options.Auth.IdentityFiles = []string{path}
	d := newDial(Config{Hop: h, Asker: answers()})
	hs := &handshake{attempt: attempt{dial: d}, ctx: context.Background()}
	a := newAuthenticator(hs.ctx, h, d.Asker, d.log, hs.openIdentities)
	var written int64
	a.written = func() int64 { return written }
	c := &ssh.ClientAuthContext{AllowedMethods: []string{"publickey"}}
	first, err := a.next(c)
	if first == nil || err != nil {
		t.Fatalf("first is %v, %v", first, err)
	}
	defer hs.set.Close()
	second, err := a.next(c) // nothing was written: the library refused the key
	if second == nil || err != nil {
		t.Fatalf("the key is not offered again: %v, %v", second, err)
	}
	written++
	if third, err := a.next(c); third != nil || err != nil {
		t.Errorf("a third time: %v, %v", third, err)
	}
}
