package hostkey

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// The global requests of UpdateHostKeys. PROTOCOL §2.5 of OpenSSH.
const (
	RequestHostKeys = "hostkeys-00@openssh.com"       // the server's offer
	RequestProve    = "hostkeys-prove-00@openssh.com" // our request for proof
)

// ParseOffer reads the payload of RequestHostKeys. Keys of unknown types are
// left out.
func ParseOffer(payload []byte) ([]ssh.PublicKey, error) {
	r := reader{b: payload}
	var keys []ssh.PublicKey
	for len(r.b) > 0 {
		blob := r.str()
		if r.bad {
			return nil, fmt.Errorf("parse %s: %w", RequestHostKeys, errTruncated)
		}
		if key, err := parseKeyBlob(blob); err == nil {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// ProveRequest is the payload of RequestProve for Plan.New.
func ProveRequest(keys []ssh.PublicKey) []byte {
	var payload []byte
	for _, key := range keys {
		payload = append(payload, ssh.Marshal(struct{ Key []byte }{key.Marshal()})...)
	}
	return payload
}

// VerifyProofs reads the answer to ProveRequest(keys) and returns the keys that
// may be learned. algorithm is the host key algorithm of the key exchange. A
// wrong signature makes the whole answer an error; an RSA key that is proven
// with SHA-1, where the key exchange did not use that either, is only left out.
// clientloop.c: client_global_hostkeys_prove_confirm.
func VerifyProofs(sessionID []byte, algorithm string, keys []ssh.PublicKey, answer []byte) ([]ssh.PublicKey, error) {
	r := reader{b: answer}
	var proven []ssh.PublicKey
	for _, key := range keys {
		var sig ssh.Signature
		blob := r.str()
		if r.bad {
			return nil, fmt.Errorf("parse answer to %s: %w", RequestProve, errTruncated)
		}
		if err := ssh.Unmarshal(blob, &sig); err != nil {
			return nil, fmt.Errorf("parse proof for %s host key: %w", TypeName(key), err)
		}
		if key.Type() == ssh.KeyAlgoRSA {
			trusted, err := rsaProofTrusted(sig.Format, algorithm)
			if err != nil {
				return nil, err
			}
			if !trusted {
				continue
			}
		}
		if err := key.Verify(proofData(sessionID, key), &sig); err != nil {
			return nil, fmt.Errorf("proof for %s host key: %w", TypeName(key), err)
		}
		proven = append(proven, key)
	}
	if len(r.b) > 0 {
		return nil, fmt.Errorf("parse answer to %s: trailing data", RequestProve)
	}
	return proven, nil
}

// rsaProofTrusted reports whether an RSA signature of the given format counts.
// When the key exchange used RSA, it has to be of the same format.
func rsaProofTrusted(format, algorithm string) (bool, error) {
	if plainFormat(algorithm) != ssh.KeyAlgoRSA {
		return format == ssh.KeyAlgoRSASHA256 || format == ssh.KeyAlgoRSASHA512, nil
	}
	if want := strings.TrimSuffix(algorithm, certSuffix); format != want {
		return false, fmt.Errorf("proof for RSA host key: %w: format %q, want %q", errProofFormat, format, want)
	}
	return true, nil
}

var errProofFormat = errors.New("wrong signature format")

// proofData is what a server signs to prove that it owns key.
func proofData(sessionID []byte, key ssh.PublicKey) []byte {
	return ssh.Marshal(struct {
		Request   string
		SessionID []byte
		Key       []byte
	}{RequestProve, sessionID, key.Marshal()})
}
