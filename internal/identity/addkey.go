package identity

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// constraint numbers of the agent protocol. draft-miller-ssh-agent §7.2
const (
	constrainLifetime  = 1
	constrainConfirm   = 2
	constrainExtension = 255
)

// offerToAgent gives a key that was just read from a file to the agent, if
// AddKeysToAgent says so and the person agrees. What goes wrong is noted only:
// the key itself can still be used. sshconnect.c: maybe_add_key_to_agent
func (s *Set) offerToAgent(path string, key *privateKey) {
	mode := s.cfg.AddKeysToAgent
	if mode == "" || mode == "no" || s.cfg.Agent == "" || s.cfg.Agent == "none" {
		return
	}
	comment := key.comment
	if comment == "" {
		comment = path
	}
	if mode == "ask" {
		if s.ask == nil {
			return
		}
		ok, err := s.ask.Confirm(s.life, fmt.Sprintf("Add key %s (%s) to agent?", path, printable(comment)))
		if err != nil || !ok {
			s.note("key %s is not added to the agent", path)
			return
		}
	}
	if err := s.addToAgent(key, comment, mode == "confirm"); err != nil {
		s.note("add key %s to the agent: %v", path, err)
		return
	}
	s.note("key %s is added to the agent", path)
}

// addToAgent adds the key over a connection of its own: the one for signing
// may be bound to a session.
func (s *Set) addToAgent(key *privateKey, comment string, confirm bool) error {
	conn, err := dialAgent(s.life, s.cfg.Agent)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(s.life, func() { conn.Close() })
	defer stop()
	seconds := lifetimeSeconds(s.cfg.AddKeysLifetime)
	if sk, ok := key.raw.(*securityKey); ok {
		req := addSecurityKey(sk, comment, s.cfg.SecurityKeyProvider, seconds, confirm)
		defer clear(req)
		return agentRequest(conn, req)
	}
	return conn.client.Add(agent.AddedKey{
		PrivateKey:       key.raw,
		Comment:          comment,
		LifetimeSecs:     seconds,
		ConfirmBeforeUse: confirm,
	})
}

// lifetimeSeconds rounds up, so that a bound never becomes no bound.
func lifetimeSeconds(d time.Duration) uint32 {
	if d <= 0 {
		return 0
	}
	return uint32(min((d+time.Second-1)/time.Second, math.MaxUint32))
}

// addSecurityKey encodes the request that adds a security key, which
// x/crypto/ssh/agent lacks. PROTOCOL.u2f
func addSecurityKey(sk *securityKey, comment, provider string, seconds uint32, confirm bool) []byte {
	req := append([]byte{agentAddIDConstrained}, sk.fields...)
	req = append(req, ssh.Marshal(struct{ Comment string }{comment})...)
	if seconds > 0 {
		req = append(req, ssh.Marshal(struct {
			Kind    byte
			Seconds uint32
		}{constrainLifetime, seconds})...)
	}
	if confirm {
		req = append(req, constrainConfirm)
	}
	return append(req, ssh.Marshal(struct {
		Kind           byte
		Name, Provider string
	}{constrainExtension, "sk-provider@openssh.com", provider})...)
}
