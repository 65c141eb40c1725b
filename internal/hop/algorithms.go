package hop

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

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
		KeyExchanges:   append(good.KeyExchanges, old.KeyExchanges...),
		HostKeys:       slices.DeleteFunc(append(good.HostKeys, old.HostKeys...), needsTouch),
		PublicKeyAuths: append(good.PublicKeyAuths, old.PublicKeyAuths...),
	}
}

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
