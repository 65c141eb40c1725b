package hostkey

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"golang.org/x/crypto/ssh"
)

// minRSABits is the least RSA key size that is taken for a key at all.
// sshkey.h: SSH_RSA_MINIMUM_MODULUS_SIZE.
const minRSABits = 1024

// keyAlgoDSA is a type that the transport gives up and known_hosts still has.
const keyAlgoDSA = "ssh-dss"

const certSuffix = "-cert-v01@openssh.com"

// parseKeyText parses "type base64 [comment]".
func parseKeyText(text string) (ssh.PublicKey, error) {
	typ, rest := cutField(text)
	encoded, _ := cutField(rest)
	blob, err := strictBase64.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("decode key: %w", err)
	}
	key, err := parseKeyBlob(blob)
	if err != nil {
		return nil, err
	}
	if key.Type() != keyFormat(typ) {
		return nil, fmt.Errorf("key of type %q is given as %q", key.Type(), typ)
	}
	return key, nil
}

// parseKeyBlob parses a key in wire format. Keys that OpenSSH lists and the
// transport cannot use are kept too, so that their host counts as known.
func parseKeyBlob(blob []byte) (ssh.PublicKey, error) {
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		odd, ok := parseOddKey(blob)
		if !ok {
			return nil, fmt.Errorf("parse key: %w", err)
		}
		key = odd
	}
	if bits := rsaBits(key); bits != 0 && bits < minRSABits {
		return nil, &KeyTooSmallError{Bits: bits, Min: minRSABits}
	}
	return key, nil
}

// keyFormat is the key format that a key or signature algorithm uses, e.g.
// "ssh-rsa" for "rsa-sha2-512".
func keyFormat(algo string) string {
	switch algo {
	case ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512:
		return ssh.KeyAlgoRSA
	case ssh.CertAlgoRSASHA256v01, ssh.CertAlgoRSASHA512v01:
		return ssh.CertAlgoRSAv01
	}
	return algo
}

// plainFormat is the format of the plain key that algo, which may be one for
// certificates, uses.
func plainFormat(algo string) string {
	base, isCert := strings.CutSuffix(keyFormat(algo), certSuffix)
	if isCert && strings.HasPrefix(base, "sk-") {
		base += "@openssh.com"
	}
	return base
}

func isCertAlgo(algo string) bool { return strings.HasSuffix(algo, certSuffix) }

// Plain returns the key that a certificate certifies, and any other key as it
// is.
func Plain(key ssh.PublicKey) ssh.PublicKey {
	if cert, ok := key.(*ssh.Certificate); ok {
		return cert.Key
	}
	return key
}

// sameKey reports whether a and b are the same key, or the same certificate.
func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// samePublic is sameKey with certificates counted as their keys.
func samePublic(a, b ssh.PublicKey) bool { return sameKey(Plain(a), Plain(b)) }

// rsaBits is the size of an RSA key's or RSA certificate's modulus in bits, 0
// for other keys.
func rsaBits(key ssh.PublicKey) int {
	if n := rsaModulus(Plain(key)); n != nil {
		return n.BitLen()
	}
	return 0
}

func rsaModulus(key ssh.PublicKey) *big.Int {
	if odd, ok := key.(*oddKey); ok && odd.typ == ssh.KeyAlgoRSA {
		return odd.size
	}
	if c, ok := key.(ssh.CryptoPublicKey); ok {
		if k, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok {
			return k.N
		}
	}
	return nil
}

// oddKey is an RSA or DSA key with parameters that the transport refuses. It
// can be compared and shown, and verifies nothing.
type oddKey struct {
	typ  string
	blob []byte
	size *big.Int // RSA: the modulus; DSA: p
}

// parseOddKey reads the integers of an RSA or DSA key. RFC 4253 §6.6.
func parseOddKey(blob []byte) (*oddKey, bool) {
	r := reader{b: blob}
	k := &oddKey{typ: string(r.str()), blob: blob}
	switch k.typ {
	case ssh.KeyAlgoRSA:
		r.mpint() // e
		k.size = new(big.Int).SetBytes(r.mpint())
	case keyAlgoDSA:
		k.size = new(big.Int).SetBytes(r.mpint())
		r.mpint() // q
		r.mpint() // g
		r.mpint() // y
	default:
		return nil, false
	}
	return k, !r.bad && len(r.b) == 0
}

var errOddKey = errors.New("key parameters are not supported")

func (k *oddKey) Type() string                        { return k.typ }
func (k *oddKey) Marshal() []byte                     { return k.blob }
func (k *oddKey) Verify([]byte, *ssh.Signature) error { return errOddKey }
