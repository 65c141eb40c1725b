package hop

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/cpu"

	"sallyport/internal/sshconfig"
)

// Algorithms is what the transport can do, in the groups of ssh -Q.
type Algorithms struct {
	Ciphers, MACs, KeyExchanges, HostKeys, PublicKeyAuths []string
}

// Supported lists every algorithm of the transport, the sound ones first.
func Supported() Algorithms {
	good, old := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	return Algorithms{
		Ciphers:        append(good.Ciphers, old.Ciphers...),
		MACs:           append(good.MACs, old.MACs...),
		KeyExchanges:   slices.Concat(good.KeyExchanges, []string{curve25519LibSSH}, old.KeyExchanges),
		HostKeys:       slices.DeleteFunc(append(good.HostKeys, old.HostKeys...), needsTouch),
		PublicKeyAuths: append(good.PublicKeyAuths, old.PublicKeyAuths...),
	}
}

// curve25519LibSSH is what curve25519-sha256 was called before it was a standard
// (RFC 8731 §3). The library knows it, but lists the other name only.
const curve25519LibSSH = "curve25519-sha256@libssh.org"

// needsTouch tells algorithms of security keys. The library demands a sign of
// the user's presence from their signatures, which a server has nobody to
// give: they cannot be host keys here.
func needsTouch(algorithm string) bool { return strings.HasPrefix(algorithm, "sk-") }

// usable keeps the configured algorithms that the transport has. None left
// is an error that names both lists, never a silent fallback.
func usable(what string, configured, supported []string) ([]string, error) {
	if len(configured) == 0 {
		return nil, nil
	}
	var left []string
	for _, name := range configured {
		if slices.Contains(supported, name) {
			left = append(left, name)
		}
	}
	if len(left) == 0 {
		return nil, fmt.Errorf("%s %s: none of them is supported here (supported: %s)",
			what, strings.Join(configured, ","), strings.Join(supported, ","))
	}
	return left, nil
}

// unsupported lists the configured algorithms that the transport lacks.
func unsupported(configured, supported []string) []string {
	return slices.DeleteFunc(slices.Clone(configured), func(name string) bool { return slices.Contains(supported, name) })
}

// minRekeyBytes is the least volume between key exchanges. The library counts
// from the first byte on, while OpenSSH's server makes no new keys before it
// has authenticated the user: what that takes must fit.
const minRekeyBytes = 16 << 10

// transportConfig fills the library's lists from the options.
func transportConfig(o sshconfig.Transport) (ssh.Config, error) {
	var c ssh.Config
	if o.Compression {
		return c, fmt.Errorf("%s yes: the transport has no compression; set Compression no (or leave -C out)", "Compression")
	}
	have := Supported()
	var err error
	if c.Ciphers, err = usable("Ciphers", o.Ciphers, have.Ciphers); err != nil {
		return c, err
	}
	if !o.CiphersSet && fastAES() {
		c.Ciphers = gcmFirst(c.Ciphers)
	}
	if c.MACs, err = usable("MACs", o.MACs, have.MACs); err != nil {
		return c, err
	}
	if c.KeyExchanges, err = usable("KexAlgorithms", o.KexAlgorithms, have.KeyExchanges); err != nil {
		return c, err
	}
	if o.RekeyBytes > 0 {
		c.RekeyThreshold = max(o.RekeyBytes, minRekeyBytes)
	}
	return c, nil
}

// gcmFirst puts AES-GCM before the other ciphers of a default list, the long
// key first: with instructions for it in the processor it costs a tenth of
// ChaCha20, which the library has in no assembly for most of them. Both are in
// OpenSSH's default list; a list without them stays as it is.
func gcmFirst(ciphers []string) []string {
	var first []string
	for _, name := range []string{ssh.CipherAES256GCM, ssh.CipherAES128GCM} {
		if slices.Contains(ciphers, name) {
			first = append(first, name)
		}
	}
	rest := slices.DeleteFunc(slices.Clone(ciphers), func(name string) bool { return slices.Contains(first, name) })
	return append(first, rest...)
}

// fastAES reports whether the processor has instructions for AES-GCM.
func fastAES() bool {
	return (cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ) || (cpu.ARM64.HasAES && cpu.ARM64.HasPMULL)
}
