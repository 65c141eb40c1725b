package identity

import (
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

const certSuffix = "-cert-v01@openssh.com"

// keyAlgorithms maps a key format to the algorithm names of its signatures,
// the best first, where that is not the format's own name. RFC 8332
var keyAlgorithms = map[string][]string{
	ssh.KeyAlgoRSA:     {ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA},
	ssh.CertAlgoRSAv01: {ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01, ssh.CertAlgoRSAv01},
}

// signatureAlgorithms lists what a key of the given format may sign with, in
// the order of accepted; without certificates' suffixes, as ssh.MultiAlgorithmSigner
// wants them. An empty accepted means all but SHA-1.
func signatureAlgorithms(format string, accepted []string) []string {
	names, ok := keyAlgorithms[format]
	if !ok {
		names = []string{format}
	}
	if len(accepted) == 0 {
		accepted = slices.DeleteFunc(slices.Clone(names), func(n string) bool {
			return underlying(n) == ssh.KeyAlgoRSA
		})
	}
	var out []string
	for _, a := range accepted {
		if u := underlying(a); slices.Contains(names, a) && !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	return out
}

// underlying is the algorithm that signs for a certificate's algorithm name.
func underlying(name string) string {
	base, ok := strings.CutSuffix(name, certSuffix)
	if !ok {
		return name
	}
	if strings.HasPrefix(base, "sk-") {
		return base + "@openssh.com"
	}
	return base
}
