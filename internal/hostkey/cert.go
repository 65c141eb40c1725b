package hostkey

import (
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"
)

// verifySignature checks the authority's signature, which parsing does not.
// Differs from OpenSSH: the signature of a security key has to carry the
// user's presence.
func verifySignature(cert *ssh.Certificate) error {
	if cert.Signature == nil || cert.SignatureKey == nil {
		return ErrBadCertificate
	}
	unsigned := *cert
	unsigned.Signature = nil
	data := unsigned.Marshal()
	data = data[:len(data)-4] // the empty signature's length
	if err := cert.SignatureKey.Verify(data, cert.Signature); err != nil {
		return fmt.Errorf("%w: %w", ErrBadCertificate, err)
	}
	return nil
}

// certProblem is why cert, signed by a known authority, cannot stand for the
// host name; "" when it can. sshkey.c: sshkey_cert_check_host.
func (s *Store) certProblem(cert *ssh.Certificate, name string) string {
	now := uint64(max(s.cfg.Now().Unix(), 0))
	switch {
	case cert.CertType != ssh.HostCert:
		return "certificate invalid: not a host certificate"
	case now < cert.ValidAfter:
		return "certificate invalid: not yet valid"
	case now >= cert.ValidBefore:
		return "certificate invalid: expired"
	case len(cert.ValidPrincipals) > 0 && !slices.Contains(cert.ValidPrincipals, name):
		return fmt.Sprintf("certificate invalid: name %q is not a listed principal", name)
	case len(cert.CriticalOptions) > 0:
		return "certificate contains unsupported critical options"
	case !s.caAlgorithmAllowed(cert.Signature.Format):
		return fmt.Sprintf("certificate signed with disallowed algorithm %q", cert.Signature.Format)
	}
	return ""
}

func (s *Store) caAlgorithmAllowed(algo string) bool {
	if len(s.cfg.CASignatureAlgorithms) == 0 {
		return true
	}
	return slices.ContainsFunc(s.cfg.CASignatureAlgorithms, func(p string) bool {
		return matchPattern(p, algo)
	})
}
