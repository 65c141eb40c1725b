package identity

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// Flags of a security key. OpenSSH's sk-api.h
const skUserPresence = 0x01

// errPIN is the helper's answer when a PIN is needed, or another one.
var errPIN = errors.New("PIN required or incorrect")

// securityKey is what a file holds of a key inside a FIDO authenticator.
type securityKey struct {
	pub   ssh.PublicKey
	flags byte
	// fields is its serialized form, from the type to before the comment.
	// The helper and the agent read the same. PROTOCOL.u2f
	fields []byte
}

// parseSecurityKey parses the private fields of a key in OpenSSH's format, and
// the comment behind them. A key of another type gives nil.
func parseSecurityKey(data []byte) (*securityKey, string, error) {
	kind, rest, _ := cutString(data)
	var public []byte
	switch string(kind) {
	default:
		return nil, "", nil
	case ssh.KeyAlgoSKECDSA256:
		var m struct {
			Curve, Point []byte
			Rest         []byte `ssh:"rest"`
		}
		if err := ssh.Unmarshal(rest, &m); err != nil {
			return nil, "", fmt.Errorf("%w: %v", ErrInvalidFormat, err)
		}
		public = ssh.Marshal(struct{ Kind, Curve, Point []byte }{kind, m.Curve, m.Point})
		rest = m.Rest
	case ssh.KeyAlgoSKED25519:
		point, after, ok := cutString(rest)
		if !ok {
			return nil, "", fmt.Errorf("%w: short security key", ErrInvalidFormat)
		}
		public = ssh.Marshal(struct{ Kind, Point []byte }{kind, point})
		rest = after
	}
	var m struct {
		Application      []byte
		Flags            byte
		Handle, Reserved []byte
		Comment          string
		Padding          []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(rest, &m); err != nil {
		return nil, "", fmt.Errorf("%w: %v", ErrInvalidFormat, err)
	}
	pub, err := ssh.ParsePublicKey(append(public, ssh.Marshal(struct{ A []byte }{m.Application})...))
	if err != nil {
		return nil, "", fmt.Errorf("%w: %v", ErrInvalidFormat, err)
	}
	n := len(data) - len(m.Padding) - len(m.Comment) - 4
	return &securityKey{pub: pub, flags: m.Flags, fields: append([]byte(nil), data[:n]...)}, m.Comment, nil
}

// skSigner signs with a security key, by way of the helper.
type skSigner struct {
	set  *Set
	key  *securityKey
	path string
}

// signWith asks for a touch if the key wants one, and once for a PIN.
// sshconnect2.c: identity_sign
func (k *skSigner) signWith(data []byte, algo string) (*ssh.Signature, error) {
	sig, err := k.sign(data, nil)
	if errors.Is(err, errPIN) && k.set.ask != nil {
		pin, askErr := askPIN(k.set.life, k.set.ask, TypeName(k.key.pub), k.path)
		if askErr != nil {
			return nil, askErr
		}
		defer clear(pin)
		if len(pin) == 0 {
			return nil, ErrNoPassphrase
		}
		sig, err = k.sign(data, pin)
	}
	if err != nil {
		return nil, err
	}
	if sig.Format != algo {
		return nil, fmt.Errorf("security key signed with %q instead of %q", sig.Format, algo)
	}
	return sig, nil
}

func (k *skSigner) sign(data, pin []byte) (*ssh.Signature, error) {
	if k.key.flags&skUserPresence != 0 {
		k.set.notice(fmt.Sprintf("Confirm user presence for key %s %s",
			TypeName(k.key.pub), ssh.FingerprintSHA256(k.key.pub)))
	}
	h := helper{path: helperPath(k.set.cfg.SecurityKeyHelper), provider: k.set.cfg.SecurityKeyProvider}
	return h.sign(k.set.life, k.key, data, pin)
}

func askPIN(ctx context.Context, ask Asker, keyType, path string) ([]byte, error) {
	if p, ok := ask.(PINAsker); ok {
		return p.PIN(ctx, keyType, path)
	}
	return ask.Passphrase(ctx, fmt.Sprintf("%s (PIN of the %s authenticator)", path, keyType), 1)
}
