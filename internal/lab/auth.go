//go:build unix

package lab

import (
	"bytes"
	"crypto/subtle"
	"errors"

	"golang.org/x/crypto/ssh"
)

var errDenied = errors.New("permission denied")

func (h *host) serverConfig() *ssh.ServerConfig {
	c := &ssh.ServerConfig{
		PublicKeyCallback:         h.knowsKey,
		VerifiedPublicKeyCallback: h.keyProved,
		ServerVersion:             "SSH-2.0-SallyportLab",
	}
	c.AddHostKey(h.hostKey)
	return c
}

func (h *host) knowsKey(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if c.User() != User || !bytes.Equal(key.Marshal(), h.userKey.Marshal()) {
		return nil, errDenied
	}
	return nil, nil
}

// keyProved runs when the client has shown that it holds the key: it is in, or
// has to give the code as well.
func (h *host) keyProved(_ ssh.ConnMetadata, _ ssh.PublicKey, p *ssh.Permissions, _ string) (*ssh.Permissions, error) {
	if h.code == "" {
		return p, nil
	}
	return nil, &ssh.PartialSuccessError{
		Next: ssh.ServerAuthCallbacks{KeyboardInteractiveCallback: h.askCode},
	}
}

func (h *host) askCode(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	answers, err := ask("", h.name+" wants the second factor.", []string{"One-time code: "}, []bool{true})
	if err != nil {
		return nil, err
	}
	if len(answers) != 1 || subtle.ConstantTimeCompare([]byte(answers[0]), []byte(h.code)) != 1 {
		return nil, errDenied
	}
	return nil, nil
}
