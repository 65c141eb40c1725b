package identity

import (
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// parsePrivate parses a private key file of any format. ErrWrongPassphrase
// says that it needs a passphrase, or another one.
func parsePrivate(data, passphrase []byte) (*privateKey, error) {
	block := privateBlock(data)
	if block == nil {
		return nil, fmt.Errorf("%w: no private key in it", ErrInvalidFormat)
	}
	defer clear(block.Bytes)
	switch {
	case block.Type == containerType:
		c, err := parseContainer(data)
		if err != nil {
			return nil, err
		}
		return c.open(passphrase)
	case block.Type == "ENCRYPTED PRIVATE KEY":
		der, err := decryptPKCS8(block.Bytes, passphrase)
		if err != nil {
			return nil, err
		}
		defer clear(der)
		key, err := parsePEM(&pem.Block{Type: "PRIVATE KEY", Bytes: der}, nil)
		if err != nil {
			return nil, ErrWrongPassphrase
		}
		return key, nil
	}
	return parsePEM(block, passphrase)
}

// privateBlock finds the first private key of a PEM file; other blocks, like
// curve parameters, may come before it.
func privateBlock(data []byte) *pem.Block {
	for {
		block, rest := pem.Decode(data)
		if block == nil || strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return block
		}
		data = rest
	}
}

// parsePEM parses PKCS#1, SEC1 and PKCS#8 keys, and the former two when they
// are encrypted in the way of RFC 1421.
func parsePEM(block *pem.Block, passphrase []byte) (*privateKey, error) {
	text := pem.EncodeToMemory(block)
	defer clear(text)
	raw, err := ssh.ParseRawPrivateKey(text)
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) {
		if len(passphrase) == 0 {
			return nil, ErrWrongPassphrase
		}
		// The format cannot tell a wrong passphrase from a broken key.
		raw, err = ssh.ParseRawPrivateKeyWithPassphrase(text, passphrase)
		if err != nil {
			return nil, ErrWrongPassphrase
		}
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
