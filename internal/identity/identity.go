package identity

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

var _ ssh.MultiAlgorithmSigner = (*Identity)(nil)

// Identity is a key or certificate to offer. It is an ssh.MultiAlgorithmSigner
// that reads its private half when it is first asked to sign.
type Identity struct {
	// Comment is the key's comment, "" when it is not known.
	Comment string
	// Source says in messages where it comes from: "agent", "file /path",
	// "file /path (explicit)", "certificate /path", "agent, file /path".
	Source string

	set      *Set
	pub      ssh.PublicKey // nil until known
	path     string        // of the private half; an agent key's comment
	explicit bool
	file     *keyFile   // nil for an agent key
	agent    *agentConn // set when the agent holds the key
}

// backend is a private half.
type backend interface {
	signWith(data []byte, algo string) (*ssh.Signature, error)
}

// Prepare makes the public half known. Most often it already is. If not, the
// private half is read, and its passphrase asked for. A *KeyError says why the
// identity cannot be used; what the user should know was told to the Asker.
func (id *Identity) Prepare() error {
	if id.pub != nil {
		return nil
	}
	key, err := id.file.load(id.set)
	if err != nil {
		return err
	}
	if err := id.set.usable(key.pub); err != nil {
		return &KeyError{id.path, err}
	}
	id.pub = key.pub
	return nil
}

// PublicKey returns the public half or the certificate. When it cannot be had,
// it is a key of type "none" that no server accepts: call Prepare before.
func (id *Identity) PublicKey() ssh.PublicKey {
	if id.Prepare() != nil {
		return noKey{}
	}
	return id.pub
}

// Algorithms returns the signature algorithms that the configuration accepts
// for this key, in its order; none when the public half cannot be had.
func (id *Identity) Algorithms() []string {
	if id.Prepare() != nil {
		return nil
	}
	return signatureAlgorithms(id.pub.Type(), id.set.cfg.AcceptedAlgorithms)
}

// Sign signs with the first of Algorithms.
func (id *Identity) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return id.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm signs data. algorithm is one of Algorithms, "" for the
// first. The randomness is the key's own. The first call may ask for a
// passphrase, a PIN or a touch.
func (id *Identity) SignWithAlgorithm(_ io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	if err := id.Prepare(); err != nil {
		return nil, err
	}
	algos := id.Algorithms()
	if algorithm == "" && len(algos) > 0 {
		algorithm = algos[0]
	}
	if !slices.Contains(algos, algorithm) {
		return nil, &KeyError{id.path, fmt.Errorf("signature algorithm %q: %w", algorithm, ErrNotAccepted)}
	}
	signer, err := id.signer()
	if err != nil {
		return nil, err
	}
	sig, err := signer.signWith(data, algorithm)
	if err != nil {
		return nil, id.signFailed(err)
	}
	return sig, nil
}

// Forced returns a signer that uses the algorithm whatever the server says it
// knows. OpenSSH 7.4 knows rsa-sha2-256 and rsa-sha2-512 and does not say so;
// without SHA-1, an RSA key can log in there only like this. It is nil when
// the algorithm is not one of Algorithms, and for certificates.
func (id *Identity) Forced(algorithm string) ssh.Signer {
	if _, ok := id.PublicKey().(*ssh.Certificate); ok || !slices.Contains(id.Algorithms(), algorithm) {
		return nil
	}
	return forcedSigner{id, algorithm}
}

// forcedSigner claims that its key's type is an algorithm's name: x/crypto
// then has no other algorithm to choose.
type forcedSigner struct {
	*Identity
	algorithm string
}

func (f forcedSigner) PublicKey() ssh.PublicKey { return forcedKey{f.pub, f.algorithm} }

func (f forcedSigner) Algorithms() []string { return []string{f.algorithm} }

type forcedKey struct {
	ssh.PublicKey
	algorithm string
}

func (f forcedKey) Type() string { return f.algorithm }

func (id *Identity) signFailed(err error) error {
	if id.set.life.Err() != nil {
		err = ErrClosed
	}
	id.set.notice(fmt.Sprintf("signing failed for %s %q: %v", TypeName(id.pub), id.path, err))
	return fmt.Errorf("sign with %s %q: %w", TypeName(id.pub), id.path, err)
}

// String describes the identity for a log: path, type, fingerprint of the key
// (also for a certificate) and how it is known, like ssh -v.
func (id *Identity) String() string {
	var b strings.Builder
	b.WriteString(id.path)
	if id.pub != nil {
		fmt.Fprintf(&b, " %s %s", TypeName(id.pub), ssh.FingerprintSHA256(plain(id.pub)))
	}
	if id.explicit {
		b.WriteString(" explicit")
	}
	if isSecurityKey(id.pub) {
		b.WriteString(" authenticator")
	}
	if id.agent != nil {
		b.WriteString(" agent")
	}
	return b.String()
}

// signer finds the private half: in the agent, for a certificate with the
// identity of its key, else in the file. sshconnect2.c: sign_and_send_pubkey
func (id *Identity) signer() (backend, error) {
	if id.agent != nil {
		return &agentSigner{id.agent, id.pub}, nil
	}
	if _, ok := id.pub.(*ssh.Certificate); ok {
		if key := id.keyOfCertificate(); key != nil {
			return key.privateHalf(id.pub)
		}
	}
	return id.privateHalf(id.pub)
}

// keyOfCertificate finds another identity that has the certificate's key.
func (id *Identity) keyOfCertificate() *Identity {
	all := slices.Concat(id.set.offered, id.set.hidden)
	for _, other := range all {
		if equal(other.pub, plain(id.pub)) {
			return other
		}
	}
	for _, other := range all {
		if other.pub == nil && namesKey(id.path, other.path) {
			return other
		}
	}
	return nil
}

// namesKey tells whether a certificate's file belongs, by its name, to a key.
func namesKey(cert, key string) bool {
	return cert == key || cert == key+".pub" || cert == key+"-cert.pub"
}

// privateHalf is the private half of want's key, by agent or by file.
func (id *Identity) privateHalf(want ssh.PublicKey) (backend, error) {
	if id.agent != nil {
		return &agentSigner{id.agent, id.pub}, nil
	}
	key, err := id.file.load(id.set)
	if err != nil {
		return nil, err
	}
	if !equal(key.pub, plain(want)) {
		err := &KeyError{id.path, ErrPublicMismatch}
		id.set.notice(err.Error())
		return nil, err
	}
	return key.signer, nil
}

// TypeName is the short name of a key's type that ssh's messages use, such as
// "ED25519", "RSA-CERT" or "ECDSA-SK"; the protocol's name for other types.
func TypeName(pub ssh.PublicKey) string {
	format := pub.Type()
	base, isCert := strings.CutSuffix(format, certSuffix)
	name, ok := typeNames[strings.TrimSuffix(base, "@openssh.com")]
	if !ok {
		return format
	}
	if isCert {
		name += "-CERT"
	}
	return name
}

var typeNames = map[string]string{
	"ssh-rsa":                "RSA",
	"ssh-dss":                "DSA",
	"ssh-ed25519":            "ED25519",
	"ecdsa-sha2-nistp256":    "ECDSA",
	"ecdsa-sha2-nistp384":    "ECDSA",
	"ecdsa-sha2-nistp521":    "ECDSA",
	"sk-ssh-ed25519":         "ED25519-SK",
	"sk-ecdsa-sha2-nistp256": "ECDSA-SK",
}

// noKey stands for a public half that cannot be had.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return ssh.Marshal(struct{ Type string }{"none"}) }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
