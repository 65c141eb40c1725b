package identity

import (
	"bytes"
	"crypto/dsa" //lint:ignore SA1019 old keys are read, not made
	"encoding/pem"
	"fmt"
	"math/big"

	"golang.org/x/crypto/ssh"
)

// container is the outside of a private key in OpenSSH's format, which shows
// the public half. PROTOCOL.key
type container struct {
	Cipher, KDF string
	KDFOptions  []byte
	Count       uint32
	Public      []byte
	Private     []byte // encrypted by Cipher
	Tag         []byte `ssh:"rest"` // of an authenticating cipher
}

const (
	containerMagic = "openssh-key-v1\x00"
	containerType  = "OPENSSH PRIVATE KEY"
)

func parseContainer(data []byte) (*container, error) {
	block := privateBlock(data)
	if block == nil || block.Type != containerType {
		return nil, fmt.Errorf("%w: not in OpenSSH's format", ErrInvalidFormat)
	}
	body, ok := bytes.CutPrefix(block.Bytes, []byte(containerMagic))
	if !ok {
		return nil, fmt.Errorf("%w: unknown version of OpenSSH's format", ErrInvalidFormat)
	}
	var c container
	if err := ssh.Unmarshal(body, &c); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidFormat, err)
	}
	if c.Count != 1 {
		return nil, fmt.Errorf("%w: %d keys in a file", ErrInvalidFormat, c.Count)
	}
	return &c, nil
}

// open decrypts the container and parses the private half.
func (c *container) open(passphrase []byte) (*privateKey, error) {
	block, err := c.decrypt(passphrase)
	if err != nil {
		return nil, err
	}
	defer clear(block)
	var inside struct {
		Check1, Check2 uint32
		Key            []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(block, &inside); err != nil || inside.Check1 != inside.Check2 {
		if c.Cipher == "none" {
			return nil, fmt.Errorf("%w: check bytes differ", ErrInvalidFormat)
		}
		return nil, ErrWrongPassphrase
	}
	defer clear(inside.Key)
	var key *privateKey
	if sk, comment, err := parseSecurityKey(inside.Key); err != nil {
		return nil, err
	} else if sk != nil {
		key = &privateKey{pub: sk.pub, comment: comment, raw: sk}
	} else if key, err = c.openSoft(block, inside.Key); err != nil {
		return nil, err
	}
	if !bytes.Equal(key.pub.Marshal(), c.Public) {
		return nil, fmt.Errorf("%w: public and private half differ", ErrInvalidFormat)
	}
	return key, nil
}

// dsaFields is a private DSA key in a container: PROTOCOL.agent of OpenSSH,
// "ssh-dss".
type dsaFields struct {
	Kind       string
	P, Q, G, Y *big.Int
	X          *big.Int
	Comment    string
	Rest       []byte `ssh:"rest"`
}

// openDSA parses a DSA key, which the transport library reads from PEM files
// only; nil for a key of another type.
func openDSA(fields []byte) (*privateKey, error) {
	if kind, _, ok := cutString(fields); !ok || string(kind) != "ssh-dss" {
		return nil, nil
	}
	var f dsaFields
	if err := ssh.Unmarshal(fields, &f); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidFormat, err)
	}
	return softKey(&dsa.PrivateKey{X: f.X, PublicKey: dsa.PublicKey{Y: f.Y,
		Parameters: dsa.Parameters{P: f.P, Q: f.Q, G: f.G}}}, f.Comment)
}

// openSoft parses a key in memory. The transport library reads containers
// without encryption, so it is given one.
func (c *container) openSoft(block, fields []byte) (*privateKey, error) {
	if key, err := openDSA(fields); key != nil || err != nil {
		return key, err
	}
	bare := container{Cipher: "none", KDF: "none", Count: 1, Public: c.Public, Private: block}
	body := append([]byte(containerMagic), ssh.Marshal(bare)...)
	defer clear(body)
	text := pem.EncodeToMemory(&pem.Block{Type: containerType, Bytes: body})
	defer clear(text)
	raw, err := ssh.ParseRawPrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidFormat, err)
	}
	return softKey(raw, commentAfter(fields))
}

// privateFields is how many strings and numbers come between a private key's
// type and its comment.
var privateFields = map[string]int{
	ssh.KeyAlgoRSA:      6,
	ssh.KeyAlgoED25519:  2,
	ssh.KeyAlgoECDSA256: 3,
	ssh.KeyAlgoECDSA384: 3,
	ssh.KeyAlgoECDSA521: 3,
}

// commentAfter finds the comment behind the fields of a private key.
func commentAfter(fields []byte) string {
	kind, rest, ok := cutString(fields)
	n, known := privateFields[string(kind)]
	for ; ok && n > 0; n-- {
		_, rest, ok = cutString(rest)
	}
	if !ok || !known {
		return ""
	}
	comment, _, _ := cutString(rest)
	return string(comment)
}

// cutString takes one length-prefixed string (RFC 4251 §5) from b.
func cutString(b []byte) (s, rest []byte, ok bool) {
	var m struct {
		S    []byte
		Rest []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(b, &m); err != nil {
		return nil, nil, false
	}
	return m.S, m.Rest, true
}
