package sshconfig

import (
	"slices"
	"strings"
)

// algorithmSet is what OpenSSH knows of one kind of algorithm.
type algorithmSet struct {
	// what names the kind in "Bad … 'x'.".
	what string
	// all is what OpenSSH can do, in the order of "ssh -Q"; def the default.
	all, def []string
	// wildcards says that a name in a configuration may be a pattern.
	wildcards bool
}

func names(s string) []string { return strings.Split(s, ",") }

var (
	cipherSet = algorithmSet{
		what: "SSH2 cipher spec",
		all: names("3des-cbc,aes128-cbc,aes192-cbc,aes256-cbc,aes128-ctr,aes192-ctr,aes256-ctr," +
			"aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com"),
		def: names("chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr," +
			"aes128-gcm@openssh.com,aes256-gcm@openssh.com"),
	}
	macSet = algorithmSet{
		what: "SSH2 MAC spec",
		all: names("hmac-sha1,hmac-sha1-96,hmac-sha2-256,hmac-sha2-512,hmac-md5,hmac-md5-96," +
			"umac-64@openssh.com,umac-128@openssh.com,hmac-sha1-etm@openssh.com," +
			"hmac-sha1-96-etm@openssh.com,hmac-sha2-256-etm@openssh.com," +
			"hmac-sha2-512-etm@openssh.com,hmac-md5-etm@openssh.com," +
			"hmac-md5-96-etm@openssh.com,umac-64-etm@openssh.com,umac-128-etm@openssh.com"),
		def: names("umac-64-etm@openssh.com,umac-128-etm@openssh.com," +
			"hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com," +
			"hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com," +
			"hmac-sha2-256,hmac-sha2-512,hmac-sha1"),
	}
	kexSet = algorithmSet{
		what: "SSH2 KexAlgorithms",
		all: names("diffie-hellman-group1-sha1,diffie-hellman-group14-sha1," +
			"diffie-hellman-group14-sha256,diffie-hellman-group16-sha512," +
			"diffie-hellman-group18-sha512,diffie-hellman-group-exchange-sha1," +
			"diffie-hellman-group-exchange-sha256,ecdh-sha2-nistp256,ecdh-sha2-nistp384," +
			"ecdh-sha2-nistp521,curve25519-sha256,curve25519-sha256@libssh.org," +
			"sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com"),
		def: names("sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256," +
			"curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384," +
			"ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256," +
			"diffie-hellman-group16-sha512,diffie-hellman-group18-sha512," +
			"diffie-hellman-group14-sha256"),
	}
	// keySet serves HostKeyAlgorithms and what keys may sign with.
	keySet = algorithmSet{
		what: "key types",
		all: names("ssh-ed25519,ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com," +
			"sk-ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256," +
			"ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384," +
			"ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521," +
			"ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com," +
			"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com," +
			"webauthn-sk-ecdsa-sha2-nistp256@openssh.com,ssh-dss,ssh-dss-cert-v01@openssh.com," +
			"ssh-rsa,ssh-rsa-cert-v01@openssh.com,rsa-sha2-256,rsa-sha2-256-cert-v01@openssh.com," +
			"rsa-sha2-512,rsa-sha2-512-cert-v01@openssh.com"),
		def: names("ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com," +
			"ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com," +
			"sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com," +
			"rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-ed25519," +
			"ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521," +
			"sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256"),
		wildcards: true,
	}
	// caSet serves CASignatureAlgorithms: a certificate does not sign.
	caSet = algorithmSet{
		what: "key types",
		all: names("ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384," +
			"ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com," +
			"webauthn-sk-ecdsa-sha2-nistp256@openssh.com,ssh-dss,ssh-rsa,rsa-sha2-256,rsa-sha2-512"),
		def: names("ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521," +
			"sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256"),
		wildcards: true,
	}
	// laterNames are names that newer OpenSSH has and 9.2 has not. They are
	// accepted, so that a file written for it can be read, and kept in lists.
	laterNames = names("mlkem768x25519-sha256")

	// keyTypeNames are names that sshkey.c knows but "ssh -Q" does not list.
	keyTypeNames = names("ED25519,ED25519-CERT,ED25519-SK,ED25519-SK-CERT,ECDSA,ECDSA-CERT," +
		"ECDSA-SK,ECDSA-SK-CERT,DSA,DSA-CERT,RSA,RSA-CERT")

	gssKexNames = names("gss-gex-sha1-,gss-group1-sha1-,gss-group14-sha1-,gss-group14-sha256-," +
		"gss-group16-sha512-,gss-nistp256-sha256-,gss-curve25519-sha256-")
)

// defaultGSSKex is GSSAPIKexAlgorithms' default.
const defaultGSSKex = "gss-group14-sha256-,gss-group16-sha512-,gss-nistp256-sha256-," +
	"gss-curve25519-sha256-,gss-group14-sha1-,gss-gex-sha1-"

// algorithmsOf is the set that a keyword chooses from.
func algorithmsOf(kw keyword) *algorithmSet {
	switch kw {
	case kwCiphers:
		return &cipherSet
	case kwMACs:
		return &macSet
	case kwKexAlgorithms:
		return &kexSet
	case kwCASignatureAlgorithms:
		return &caSet
	}
	return &keySet
}

// valid checks the names of a list, as it stands in a configuration.
func (a *algorithmSet) valid(list string) bool {
	if !a.wildcards {
		return exactNames(list, a.all)
	}
	if list == "" {
		return false
	}
	for name := range strings.SplitSeq(list, ",") {
		if name == "" {
			break // as strsep's callers do: the rest is not looked at
		}
		if !keyName(name) {
			return false
		}
	}
	return true
}

// keyName tells whether a name or pattern stands for a key type.
func keyName(name string) bool {
	// A type's short name is known whatever its case.
	for _, n := range keyTypeNames {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	for _, n := range keySet.all {
		if n == name || matchList(n, name, false) != unmatched {
			return true
		}
	}
	return false
}

// exactNames tells whether each name of a list is in all, up to an empty one.
func exactNames(list string, all []string) bool {
	if list == "" {
		return false
	}
	for name := range strings.SplitSeq(list, ",") {
		if name == "" {
			break
		}
		if !slices.Contains(all, name) && !slices.Contains(laterNames, name) {
			return false
		}
	}
	return true
}

// assemble applies a list as configured to the default. kex.c: kex_assemble_names.
func (a *algorithmSet) assemble(list string) ([]string, bool) {
	if list == "" {
		return slices.Clone(a.def), true
	}
	var wanted []string
	switch list[0] {
	case '-':
		return a.without(list[1:]), true
	case '+':
		wanted = join(a.def, list[1:])
	case '^':
		wanted = join(nil, list[1:])
		for _, n := range a.def {
			wanted = appendNew(wanted, n)
		}
	default:
		wanted = strings.Split(list, ",")
	}
	var out []string
	for _, pattern := range wanted {
		if strings.HasPrefix(pattern, "!") {
			return nil, false
		}
		if slices.Contains(laterNames, pattern) {
			out = appendNew(out, pattern)
		}
		for _, n := range a.all {
			if matchList(n, pattern, false) == matched {
				out = appendNew(out, n)
			}
		}
	}
	return out, len(out) > 0
}

// without is the default list without what matches the patterns.
func (a *algorithmSet) without(patterns string) []string {
	var out []string
	for _, n := range a.def {
		if matchList(n, patterns, false) != matched {
			out = append(out, n)
		}
	}
	return out
}

// join appends the names of a list up to an empty one.
func join(to []string, list string) []string {
	to = slices.Clone(to)
	for n := range strings.SplitSeq(list, ",") {
		if n == "" {
			break
		}
		to = appendNew(to, n)
	}
	return to
}

func appendNew(to []string, n string) []string {
	if slices.Contains(to, n) {
		return to
	}
	return append(to, n)
}
