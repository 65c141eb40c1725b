package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/hop"
)

// query answers -Q (ssh(1)).
func (a *App) query(what string) int {
	have := hop.Supported()
	answers := map[string][]string{
		"cipher": have.Ciphers, "ciphers": have.Ciphers,
		"mac": have.MACs, "macs": have.MACs,
		"kex": have.KeyExchanges, "kexalgorithms": have.KeyExchanges,
		"key": have.HostKeys, "hostkeyalgorithms": have.HostKeys,
		"sig": have.PublicKeyAuths, "pubkeyacceptedalgorithms": have.PublicKeyAuths,
		"compression": {"none"},
	}
	names, ok := answers[strings.ToLower(what)]
	if !ok {
		a.complain(errors.New("unsupported query " + fmt.Sprintf("%q", what)))
		return exitSSH
	}
	for _, name := range slices.Compact(names) {
		fmt.Fprintln(a.Stdout, name)
	}
	return exitOK
}
