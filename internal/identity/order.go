package identity

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// arrange puts identities in the order of offering: configured certificates;
// agent keys that are configured; other agent keys, unless only configured
// ones are wanted; configured files that the agent does not hold.
// sshconnect2.c: pubkey_prepare
func arrange(certs, agentKeys, files []*Identity, only bool) []*Identity {
	var configured, others []*Identity
	for _, key := range agentKeys {
		i := slices.IndexFunc(files, func(f *Identity) bool { return equal(f.pub, key.pub) })
		if i >= 0 {
			f := files[i]
			f.agent = key.agent
			f.Source = "agent, " + f.Source
			if f.Comment == "" {
				f.Comment = key.Comment
			}
			configured = append(configured, f)
			files = slices.Delete(slices.Clone(files), i, i+1)
		} else if !only {
			others = append(others, key)
		}
	}
	held := append(configured, others...)
	sortByPriority(held)
	sortByPriority(files)
	return slices.Concat(certs, held, files)
}

// sortByPriority puts certificates before plain keys. Identities that the user
// has named keep their places. sshconnect2.c: order_identities_by_prio (10.x)
func sortByPriority(ids []*Identity) {
	var places []int
	var free []*Identity
	for i, id := range ids {
		if !id.explicit {
			places = append(places, i)
			free = append(free, id)
		}
	}
	slices.SortStableFunc(free, func(a, b *Identity) int { return a.priority() - b.priority() })
	for n, i := range places {
		ids[i] = free[n]
	}
}

// priority of a certificate is before that of a key; among security keys, one
// that needs no touch comes first and one that needs a PIN last.
func (id *Identity) priority() int {
	cert, ok := id.pub.(*ssh.Certificate)
	if !ok {
		return 3
	}
	if isSecurityKey(cert) {
		if _, ok := cert.CriticalOptions["verify-required"]; ok {
			return 2
		}
		if _, ok := cert.Extensions["no-touch-required"]; ok {
			return 0
		}
	}
	return 1
}

// equal tells whether two public keys, or certificates, are the same.
func equal(a, b ssh.PublicKey) bool {
	return a != nil && b != nil && bytes.Equal(a.Marshal(), b.Marshal())
}

// plain is the key itself, or the one that a certificate certifies.
func plain(pub ssh.PublicKey) ssh.PublicKey {
	if cert, ok := pub.(*ssh.Certificate); ok {
		return cert.Key
	}
	return pub
}

func isSecurityKey(pub ssh.PublicKey) bool {
	return pub != nil && strings.HasPrefix(pub.Type(), "sk-")
}
