package identity

import (
	"context"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/crypto/ssh"
)

// Set is what can be offered to one server. It belongs to one handshake: but
// for Close, its methods and those of its identities are not for concurrent use.
type Set struct {
	// config: not changed after Open
	cfg   Config
	ask   Asker
	agent *agentConn // nil without an agent

	// life ends with Close. x/crypto's Signer carries no context, so this one
	// bounds prompts and helpers that a signature needs.
	life context.Context
	end  context.CancelFunc

	offered []*Identity
	// hidden identities are not offered, but may sign for a certificate.
	hidden  []*Identity
	private map[string]*keyFile // by path
	notes   []string
}

// Open gathers the identities in the order in which they are to be offered. It
// lists the agent's keys and reads public halves and certificates, and asks
// for nothing. What is missing or unusable is left out and noted; the error is
// non-nil only when ctx has ended. ctx bounds the call, the Set lives until
// Close.
func Open(ctx context.Context, cfg Config, ask Asker) (*Set, error) {
	s := &Set{cfg: cfg, ask: ask}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	files := s.identityFiles()
	certs := s.certificateFiles()
	agentKeys := s.openAgent(ctx)
	if err := ctx.Err(); err != nil {
		s.Close()
		return nil, fmt.Errorf("gather identities: %w", err)
	}
	for _, id := range arrange(certs, agentKeys, files, cfg.IdentitiesOnly) {
		s.place(id)
	}
	return s, nil
}

// Identities returns what is to be offered, in order.
func (s *Set) Identities() []*Identity { return slices.Clone(s.offered) }

// Notes returns what was left out and why, for a log: one line each.
func (s *Set) Notes() []string { return slices.Clone(s.notes) }

// Close ends the agent connection and any question or helper under way. It
// may be called more than once, and at any time.
func (s *Set) Close() error {
	s.end()
	if s.agent != nil {
		return s.agent.Close()
	}
	return nil
}

func (s *Set) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

func (s *Set) notice(text string) {
	if s.ask != nil {
		s.ask.Notice(text)
	}
}

// place offers an identity, or hides it when the configuration excludes it.
func (s *Set) place(id *Identity) {
	if id.pub == nil {
		s.offered = append(s.offered, id)
		return
	}
	if err := s.usable(id.pub); err != nil {
		s.note("skipping %s key %s: %v", id.pub.Type(), id.path, err)
		s.hidden = append(s.hidden, id)
		return
	}
	s.offered = append(s.offered, id)
}

// usable tells whether the configuration lets a key be offered.
func (s *Set) usable(pub ssh.PublicKey) error {
	if err := s.longEnough(pub); err != nil {
		return err
	}
	if len(signatureAlgorithms(pub.Type(), s.cfg.AcceptedAlgorithms)) == 0 {
		return ErrNotAccepted
	}
	return nil
}

// longEnough tells whether an RSA key has the required size. sshkey.c:
// sshkey_check_rsa_length
func (s *Set) longEnough(pub ssh.PublicKey) error {
	if bits := rsaBits(pub); bits > 0 && bits < max(s.cfg.RequiredRSASize, 1024) {
		return fmt.Errorf("%w (%d bits)", ErrShortRSA, bits)
	}
	return nil
}

// rsaBits is the length of an RSA key or of a certified one, 0 for others.
func rsaBits(pub ssh.PublicKey) int {
	key, ok := plain(pub).(ssh.CryptoPublicKey)
	if !ok {
		return 0
	}
	if key, ok := key.CryptoPublicKey().(*rsa.PublicKey); ok {
		return key.N.BitLen()
	}
	return 0
}

// hasSecurityKeys tells whether key files of authenticators can be used.
func (s *Set) hasSecurityKeys() bool {
	p := s.cfg.SecurityKeyProvider
	return p != "" && !strings.EqualFold(p, "none")
}

// openAgent connects to the agent and returns its keys. Without an agent that
// answers, there are none.
func (s *Set) openAgent(ctx context.Context) []*Identity {
	if s.cfg.Agent == "" || s.cfg.Agent == "none" {
		return nil
	}
	conn, err := dialAgent(ctx, s.cfg.Agent)
	if err != nil {
		s.note("agent %s: %v", s.cfg.Agent, err)
		return nil
	}
	s.agent = conn
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if b := s.cfg.Bind; b != nil {
		if err := BindSession(conn, b.HostKey, b.SessionID, b.Signature, b.Forwarding); err != nil {
			s.note("agent %s: %v", s.cfg.Agent, err)
		}
	}
	keys, err := conn.client.List()
	if err != nil {
		s.note("agent %s: list keys: %v", s.cfg.Agent, err)
		return nil
	}
	var ids []*Identity
	for _, k := range keys {
		pub, err := ssh.ParsePublicKey(k.Blob)
		if err != nil {
			s.note("skipping agent key %q: type %q: %v", k.Comment, k.Format, err)
			continue
		}
		comment := printable(k.Comment)
		ids = append(ids, &Identity{set: s, pub: pub, agent: conn, path: comment, Comment: comment, Source: "agent"})
	}
	return ids
}

// printable takes the control characters out of a comment, which is shown to
// the person.
func printable(comment string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, comment)
}
