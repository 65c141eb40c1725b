package hop

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
)

// offering is a server that offers keys and proves those that it can.
func offering(t *testing.T, proves bool, offered ...ssh.Signer) *server {
	s := newServer(t, nil)
	s.serve = func(c *ssh.ServerConn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
		var payload []byte
		for _, k := range offered {
			payload = append(payload, ssh.Marshal(struct{ Key []byte }{k.PublicKey().Marshal()})...)
		}
		_, _, _ = c.SendRequest(hostkey.RequestHostKeys, false, payload)
		go func() {
			for ch := range channels {
				_ = ch.Reject(ssh.Prohibited, "no")
			}
		}()
		for r := range requests {
			if r.Type != hostkey.RequestProve || !proves {
				_ = r.Reply(false, nil)
				continue
			}
			_ = r.Reply(true, proofs(t, c.SessionID(), r.Payload, offered))
		}
	}
	return s
}

// proofs signs for each key in a request (PROTOCOL §2.5 of OpenSSH).
func proofs(t *testing.T, session, payload []byte, signers []ssh.Signer) []byte {
	var answer []byte
	for len(payload) > 0 {
		var m struct {
			Key  []byte
			Rest []byte `ssh:"rest"`
		}
		if err := ssh.Unmarshal(payload, &m); err != nil {
			t.Error(err)
			return nil
		}
		payload = m.Rest
		for _, k := range signers {
			if string(k.PublicKey().Marshal()) != string(m.Key) {
				continue
			}
			sig, err := k.Sign(nil, ssh.Marshal(struct {
				Name    string
				Session []byte
				Key     []byte
			}{hostkey.RequestProve, session, m.Key}))
			if err != nil {
				t.Error(err)
			}
			answer = append(answer, ssh.Marshal(struct{ Sig []byte }{ssh.Marshal(sig)})...)
		}
	}
	return answer
}

func TestUpdateHostKeys(t *testing.T) {
	now, next, old := newSigner(t, 'h'), newSigner(t, 'n'), newSigner(t, 'o')
	for _, test := range []struct {
		name    string
		mode    string
		proves  bool
		answers []string
		updated bool
		kinds   string
	}{
		{"yes", "yes", true, nil, true, ""},
		{"no", "no", true, nil, false, ""},
		{"unproven", "yes", false, nil, false, ""},
		{"ask, yes", "ask", true, []string{"yes"}, true, "confirm"},
		{"ask, no", "ask", true, []string{"no"}, false, "confirm"},
		{"ask, nobody", "ask", true, nil, false, "confirm"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := offering(t, test.proves, now, next)
			h := s.hop(t)
			s.know(t, h, now.PublicKey(), old.PublicKey())
			h.Options.HostKey.UpdateHostKeys = test.mode
			ask, log := answers(test.answers...), &journal{}
			c, err := dialLogged(t, h, ask, log)
			if err != nil {
				t.Fatal(err)
			}
			await(t, "the offer is handled", func() bool {
				return log.count("updated host keys")+log.count("not updat") > 0 || strings.Contains(ask.heard(NoticeWarning), "not updated")
			})
			c.Close()
			c.Wait()
			file, err := os.ReadFile(h.Options.HostKey.UserFiles[0])
			if err != nil {
				t.Fatal(err)
			}
			has := func(k ssh.Signer) bool {
				return strings.Contains(string(file), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.PublicKey()))))
			}
			if !has(now) || has(next) != test.updated || has(old) == test.updated {
				t.Errorf("known_hosts is now:\n%s", file)
			}
			if got := ask.kinds(); got != test.kinds {
				t.Errorf("asked %q, want %q", got, test.kinds)
			}
		})
	}
}

// A key that was only known from a global file, or that is not the known one,
// is no ground to learn others.
func TestUpdateHostKeysNeedsTrust(t *testing.T) {
	s := offering(t, true, newSigner(t, 'h'), newSigner(t, 'n'))
	h := s.hop(t)
	h.Options.HostKey.GlobalFiles, h.Options.HostKey.UserFiles = h.Options.HostKey.UserFiles, []string{t.TempDir() + "/none"}
	h.Options.HostKey.UpdateHostKeys = "yes"
	log := &journal{}
	if _, err := dialLogged(t, h, answers(), log); err != nil {
		t.Fatal(err)
	}
	await(t, "the offer is declined", func() bool { return log.count("not updating host keys") == 1 })
	if _, err := os.Stat(h.Options.HostKey.UserFiles[0]); err == nil {
		t.Error("a file was written")
	}
}
