package hop

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
	"sallyport/internal/sshtest"
)

func TestNewHostKey(t *testing.T) {
	fingerprint := ssh.FingerprintSHA256(newSigner(t, 'h').PublicKey())
	for _, test := range []struct {
		name, mode string
		answers    []string
		ok         bool
		asked      int
		text       string
	}{
		{"yes", "yes", nil, false, 0, "no key is known for it and StrictHostKeyChecking is yes"},
		{"accept-new", "accept-new", nil, true, 0, ""},
		{"no", "no", nil, true, 0, ""},
		{"ask, yes", "ask", []string{"YES"}, true, 1, ""},
		{"ask, the fingerprint", "ask", []string{fingerprint}, true, 1, ""},
		{"ask, no", "ask", []string{"no"}, false, 1, "its key was not accepted"},
		{"ask, nonsense first", "ask", []string{"", "SHA256:zzz", "yes"}, true, 3, ""},
		{"ask, nobody", "ask", nil, false, 1, "nobody confirmed its key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, nil)
			h := testHop(t, s.addr)
			h.Options.HostKey.StrictHostKeyChecking = test.mode
			ask := answers(test.answers...)
			_, err := dialHop(t, h, ask)
			if len(ask.asked) != test.asked {
				t.Errorf("asked %d times: %+v", len(ask.asked), ask.asked)
			}
			if test.asked > 0 && !strings.Contains(ask.asked[0].Intro, fingerprint) {
				t.Errorf("asked without the fingerprint: %q", ask.asked[0].Intro)
			}
			_, missing := os.Stat(h.Options.HostKey.UserFiles[0])
			if !test.ok {
				wantStage(t, err, StageHostKey, test.text, fingerprint)
				if missing == nil {
					t.Error("a refused key was recorded")
				}
				return
			}
			if err != nil || missing != nil {
				t.Fatalf("%v; known_hosts: %v", err, missing)
			}
			if got := ask.heard(NoticeWarning); !strings.Contains(got, "Permanently added") {
				t.Errorf("told %q", got)
			}
			h.Options.HostKey.StrictHostKeyChecking = "yes" // it is known from now on
			if _, err := dialHop(t, h, answers()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestChangedHostKey(t *testing.T) {
	shown, known := ssh.FingerprintSHA256(newSigner(t, 'h').PublicKey()), ssh.FingerprintSHA256(newSigner(t, 'x').PublicKey())
	for _, mode := range []string{"yes", "ask", "accept-new"} {
		s := newServer(t, nil)
		h := testHop(t, s.addr)
		s.know(t, h, newSigner(t, 'x').PublicKey())
		h.Options.HostKey.StrictHostKeyChecking = mode
		before, _ := os.ReadFile(h.Options.HostKey.UserFiles[0])
		ask := answers("yes")
		_, err := dialHop(t, h, ask)
		wantStage(t, err, StageHostKey, "the key has changed", shown, known, h.Options.HostKey.UserFiles[0]+":1 has")
		var e *HostKeyError
		if !errors.As(err, &e) || e.Status != hostkey.Changed || len(e.Known) != 1 {
			t.Errorf("error is %#v", e)
		}
		if after, _ := os.ReadFile(h.Options.HostKey.UserFiles[0]); string(after) != string(before) {
			t.Error("known_hosts was changed")
		}
		if len(ask.asked) > 0 || s.log() != "" {
			t.Errorf("%s: asked %v; server saw %q", mode, ask.asked, s.log())
		}
	}
}

// StrictHostKeyChecking no goes on with another key, and gives an impostor
// nothing that it could use.
func TestChangedHostKeyWithoutChecking(t *testing.T) {
	s := newServer(t, &ssh.ServerConfig{
		PublicKeyCallback: acceptKey(t, '1'), PasswordCallback: acceptPassword("x"), KeyboardInteractiveCallback: twoRounds,
	})
	h := testHop(t, s.addr)
	s.know(t, h, newSigner(t, 'x').PublicKey())
	h.Options.HostKey.StrictHostKeyChecking = "no"
	ask := answers("x", "x", "x")
	_, err := dialHop(t, h, ask)
	wantStage(t, err, StageAuthenticate, "permission denied")
	if len(ask.asked) > 0 {
		t.Errorf("asked %+v", ask.asked)
	}
	if got := ask.heard(NoticeWarning); !strings.Contains(got, "the key has changed") {
		t.Errorf("warned %q", got)
	}
	h.Options.Auth.IdentityFiles = []string{keyFile(t, '1')}
	c, err := dialHop(t, h, ask)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MayForward(); err == nil || !strings.Contains(err.Error(), "forwarding is disabled") {
		t.Errorf("MayForward says %v", err)
	}
	var changed *HostKeyError
	for what, err := range forwardsOver(c) {
		if !errors.Is(err, ErrMayNotForward) || !errors.As(err, &changed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = Dial(ctx, Config{Hop: h, Via: c, ViaName: "jump", Asker: ask})
	wantStage(t, err, StageOpen, " via jump: ", "forwarding is disabled: the key has changed")
	known, err := dialHop(t, s.hop(t), answers("secret", "42"))
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range forwardsOver(known) {
		if errors.Is(err, ErrMayNotForward) {
			t.Errorf("%s with the right key: %v", what, err)
		}
	}
}

// forwardsOver asks for all that leads beyond a connection.
func forwardsOver(c *Conn) map[string]error {
	failures := map[string]error{}
	for _, kind := range []string{"direct-tcpip", "direct-streamlocal@openssh.com", "tun@openssh.com"} {
		_, _, failures[kind] = c.OpenChannel(kind, nil)
	}
	for _, name := range []string{"tcpip-forward", "streamlocal-forward@openssh.com"} {
		_, _, failures[name] = c.SendRequest(name, true, nil)
	}
	return failures
}

func TestRevokedHostKey(t *testing.T) {
	s := newServer(t, nil)
	line := string(ssh.MarshalAuthorizedKey(s.key.PublicKey()))
	for _, mode := range []string{"yes", "no"} {
		h := s.hop(t)
		h.Options.HostKey.StrictHostKeyChecking = mode
		file := filepath.Join(t.TempDir(), "revoked")
		h.Options.HostKey.RevokedHostKeys = []string{os.DevNull, file}
		if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := dialHop(t, h, answers())
		wantStage(t, err, StageHostKey, "revoked", file)
	}
	h := s.hop(t)
	if err := os.WriteFile(h.Options.HostKey.UserFiles[0], []byte("@revoked * "+line), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := dialHop(t, h, answers())
	wantStage(t, err, StageHostKey, "revoked", h.Options.HostKey.UserFiles[0]+":1")
}

func TestOtherNamesAreShown(t *testing.T) {
	s := newServer(t, nil)
	h := testHop(t, s.addr)
	h.Options.HostKey.StrictHostKeyChecking = "ask"
	line := "elsewhere.example " + string(ssh.MarshalAuthorizedKey(s.key.PublicKey()))
	if err := os.WriteFile(h.Options.HostKey.UserFiles[0], []byte("# note\n"+line), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := answers("no")
	if _, err := dialHop(t, h, ask); err == nil {
		t.Fatal("went on after no")
	}
	if want := h.Options.HostKey.UserFiles[0] + ":2: elsewhere.example"; !strings.Contains(ask.asked[0].Intro, want) {
		t.Errorf("intro lacks %q:\n%s", want, ask.asked[0].Intro)
	}
}

func TestHostCertificate(t *testing.T) {
	authority := newSigner(t, 'c')
	for _, test := range []struct {
		name      string
		principal string
		before    time.Time
		ok        bool
	}{
		{"valid", "127.0.0.1", time.Now().Add(time.Hour), true},
		{"another host's", "other", time.Now().Add(time.Hour), false},
		{"expired", "127.0.0.1", time.Now().Add(-time.Hour), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			key := newSigner(t, 'h')
			cert := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{test.principal},
				ValidBefore: uint64(test.before.Unix())}
			if err := cert.SignCert(rand.Reader, authority); err != nil {
				t.Fatal(err)
			}
			signer, err := ssh.NewCertSigner(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			config := &ssh.ServerConfig{NoClientAuth: true}
			config.AddHostKey(signer)
			h := testHop(t, newServer(t, config).addr)
			line := fmt.Sprintf("@cert-authority * %s", ssh.MarshalAuthorizedKey(authority.PublicKey()))
			if err := os.WriteFile(h.Options.HostKey.UserFiles[0], []byte(line), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = dialHop(t, h, answers())
			if test.ok && err != nil {
				t.Error(err)
			} else if !test.ok {
				wantStage(t, err, StageHostKey)
			}
		})
	}
}

func TestKnownHostsCommand(t *testing.T) {
	s := newServer(t, nil)
	script := filepath.Join(t.TempDir(), "cmd")
	text := "#!/bin/sh\necho \"$WHO $@\" >>\"$0.log\"\ncase $1 in ORDER) exit 0;; esac\necho \"$2 $3 $4\"\nexit ${FAIL:-0}\n"
	sshtest.WriteProgram(t, script, text)
	h := testHop(t, s.addr)
	h.Options.HostKey.KnownHostsCommand = script + ` %I %H %t %K "%u at %%" %f %p`
	h.Options.Transport.HostKeyAlgorithmsSet = false
	if _, err := dialHop(t, h, answers()); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(script + ".log")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"test ORDER ", " NONE NONE ", "test HOSTNAME [127.0.0.1]:" + fmt.Sprint(s.addr.Port) + " ssh-ed25519 AAAA", " at % SHA256:"} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the command did not see %q:\n%s", want, log)
		}
	}
	for command, want := range map[string]string{
		"/bin/false":      "exit status 1",
		"echo %H":         "not an absolute path",
		"/bin/echo %Z":    `unknown token "%Z"`,
		`/bin/echo "open`: "a quote is not closed",
	} {
		h.Options.HostKey.KnownHostsCommand = command
		for _, ordered := range []bool{true, false} { // fails at the key, or already before
			h.Options.Transport.HostKeyAlgorithmsSet = ordered
			_, err := dialHop(t, h, answers())
			wantStage(t, err, StageHostKey, "KnownHostsCommand", want)
		}
	}
}
