package identity

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// container is the outside of a private key in OpenSSH's format, which shows
// the public half. PROTOCOL.key
type container struct {
	Cipher, KDF, KDFOptions string
	Count                   uint32
	Public                  []byte
	Private                 []byte
	Rest                    []byte `ssh:"rest"` // a cipher's authentication tag
}

const containerMagic = "openssh-key-v1\x00"

func parseContainer(data []byte) (*container, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "OPENSSH PRIVATE KEY" {
		return nil, ErrInvalidFormat
	}
	body, ok := bytes.CutPrefix(block.Bytes, []byte(containerMagic))
	if !ok {
		return nil, ErrInvalidFormat
	}
	var c container
	if err := ssh.Unmarshal(body, &c); err != nil || c.Count != 1 {
		return nil, ErrInvalidFormat
	}
	return &c, nil
}

// parsePrivate parses a private key file. ErrWrongPassphrase says that it
// needs a passphrase, or another one.
func parsePrivate(data, passphrase []byte) (*privateKey, error) {
	var raw any
	var err error
	if passphrase == nil {
		raw, err = ssh.ParseRawPrivateKey(data)
	} else {
		raw, err = ssh.ParseRawPrivateKeyWithPassphrase(data, passphrase)
	}
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) || errors.Is(err, x509.IncorrectPasswordError) {
		return nil, ErrWrongPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidFormat, err)
	}
	return softKey(raw, "")
}

// softKey wraps a crypto private key.
func softKey(raw any, comment string) (*privateKey, error) {
	signer, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidFormat, err)
	}
	as, ok := signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fmt.Errorf("%w: %s key cannot choose its algorithm", ErrInvalidFormat, signer.PublicKey().Type())
	}
	return &privateKey{pub: signer.PublicKey(), signer: softSigner{as}, comment: comment, raw: raw}, nil
}
