package cli

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/daemon"
)

// query answers -Q (ssh(1)): what the transport can do, one name a line.
func (a *App) query(what string) int {
	if strings.EqualFold(what, "help") {
		for _, q := range queryNames {
			fmt.Fprintln(a.out, q)
		}
		return exitOK
	}
	names, ok := answerQuery(strings.ToLower(what))
	if !ok {
		fmt.Fprintf(a.Stderr, "ssh: unsupported query %q; \"-Q help\" lists them\n", what)
		return exitSSH
	}
	for _, name := range names {
		fmt.Fprintln(a.out, name)
	}
	return exitOK
}

// queryNames are the queries of ssh(1), in its order.
var queryNames = []string{
	"cipher", "cipher-auth", "compression", "kex", "key", "key-cert", "key-plain", "key-sig", "mac",
	"protocol-version", "sig", "Ciphers", "MACs", "KexAlgorithms", "HostKeyAlgorithms", "PubkeyAcceptedAlgorithms", "CASignatureAlgorithms",
}

// answerQuery lists the answers; what is in lower case.
func answerQuery(what string) ([]string, bool) {
	have := daemon.Algorithms()
	// The types of keys that serve users and hosts alike; those of security
	// keys are for users only.
	both := keep(have.HostKeys, isKeyType)
	slices.SortStableFunc(both, func(a, b string) int { return rank(a) - rank(b) })
	switch what {
	case "cipher", "ciphers":
		return have.Ciphers, true
	case "cipher-auth":
		return keep(have.Ciphers, isAEAD), true
	case "mac", "macs":
		return have.MACs, true
	case "kex", "kexalgorithms":
		return have.KeyExchanges, true
	case "compression":
		return []string{"none"}, true
	case "key":
		return slices.Concat(keep(both, func(s string) bool { return !isCert(s) }), keep(both, isCert)), true
	case "key-plain":
		return keep(both, func(s string) bool { return !isCert(s) }), true
	case "key-cert":
		return keep(both, isCert), true
	case "hostkeyalgorithms":
		return have.HostKeys, true
	case "key-sig", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes", "hostbasedacceptedalgorithms", "hostbasedkeytypes":
		return have.PublicKeyAuths, true
	case "sig", "casignaturealgorithms":
		return keep(have.PublicKeyAuths, func(s string) bool { return !isCert(s) }), true
	case "protocol-version":
		return []string{"2"}, true
	}
	return nil, false
}

// rank is ssh's order of key types.
func rank(keyType string) int {
	return slices.IndexFunc([]string{"ssh-ed25519", "ecdsa-", "ssh-rsa", "ssh-dss"}, func(prefix string) bool {
		return strings.HasPrefix(keyType, prefix)
	})
}

func keep(names []string, f func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(names), func(s string) bool { return !f(s) })
}

// isAEAD reports whether a cipher authenticates by itself.
func isAEAD(cipher string) bool {
	return strings.Contains(cipher, "gcm") || strings.Contains(cipher, "poly1305")
}

func isCert(algorithm string) bool { return strings.HasSuffix(algorithm, "-cert-v01@openssh.com") }

// isKeyType tells types of keys from mere signature algorithms of RSA keys.
func isKeyType(algorithm string) bool { return !strings.HasPrefix(algorithm, "rsa-sha2-") }
