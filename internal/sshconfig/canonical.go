package sshconfig

import (
	"bytes"
	"net/netip"
	"strings"
)

// validHostName tells whether a destination may be a host's name at all. ssh.c:
// ssh_valid_hostname.
func validHostName(s string) bool {
	return s != "" && s[0] != '-' && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c == 0x7f || strings.ContainsRune("'`\"$\\;&<>|(){},", c)
	})
}

// validUser tells whether a user name from the command line is harmless in a
// shell command. ssh.c: ssh_valid_ruser.
func validUser(s string) bool {
	if strings.HasPrefix(s, "-") || strings.HasSuffix(s, `\`) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c == 0x7f || strings.IndexByte("'`\";&<>|(){}", c) >= 0 {
			return false
		}
		if isSpace(c) && strings.HasPrefix(s[i+1:], "-") {
			return false
		}
	}
	return true
}

// family is the address family as configured so far.
func (p *pass) family() int64 {
	return p.vals[kwAddressFamily].orNumber(familyAny)
}

// network is the family in the words of package net.
func network(family int64) string {
	switch family {
	case familyInet:
		return "ip4"
	case familyInet6:
		return "ip6"
	}
	return "ip"
}

// looksLikeAddress tells whether a name can be nothing but an address. ssh.c:
// is_addr_fast.
func looksLikeAddress(s string) bool {
	return strings.ContainsAny(s, "%:") || strings.Trim(s, "0123456789.") == ""
}

// isAddress tells whether a name is an address.
func isAddress(s string, family int64) bool {
	if looksLikeAddress(s) {
		return true
	}
	_, ok := canonicalAddress(s, family)
	return ok
}

// canonicalAddress reads an address in any form that getaddrinfo takes, and
// gives its usual form. A zone is not looked up.
func canonicalAddress(s string, family int64) (string, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		if a, err = classicAddress(s); err != nil {
			return "", false
		}
	}
	if a.Is4In6() && family == familyInet {
		a = a.Unmap()
	}
	if (family == familyInet && !a.Is4()) || (family == familyInet6 && a.Is4()) {
		return "", false
	}
	if a.Zone() != "" && !a.IsLinkLocalUnicast() && !a.IsLinkLocalMulticast() {
		return "", false
	}
	return addressText(a), true
}

// addressText is inet_ntop: it differs from Go for ::a.b.c.d.
func addressText(a netip.Addr) string {
	b := a.As16()
	if a.Is6() && !a.Is4In6() && a.Zone() == "" && bytes.Equal(b[:12], make([]byte, 12)) && (b[12] != 0 || b[13] != 0) {
		return "::" + netip.AddrFrom4([4]byte(b[12:])).String()
	}
	return a.String()
}

// classicAddress reads the forms of inet_aton: one to four numbers, each
// decimal, octal or hexadecimal; the last one fills the bytes that are left.
func classicAddress(s string) (netip.Addr, error) {
	bad := fatalf("not an address")
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, bad
	}
	var sum uint64
	for i, part := range parts {
		if part == "" || !isDigit(part[0]) {
			return netip.Addr{}, bad
		}
		n, ok := parseAnyBase(part)
		limit := int64(0xff)
		if i == len(parts)-1 {
			limit = 1<<(8*(5-len(parts))) - 1
		}
		if !ok || n > limit {
			return netip.Addr{}, bad
		}
		if i < len(parts)-1 {
			sum |= uint64(n) << (24 - 8*i)
		} else {
			sum |= uint64(n)
		}
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), nil
}

// direct tells whether the host is reached without a proxy.
func (p *pass) direct() bool {
	v := &p.vals[kwProxyCommand]
	return (!v.set || strings.EqualFold(v.s, "none")) && !p.jump.set
}

// canonicalize replaces the host by its canonical form. ssh.c: main and
// resolve_canonicalize.
func (p *pass) canonicalize() error {
	mode := p.vals[kwCanonicalizeHostname].orNumber(canonicalizeNo)
	found := false
	if mode != canonicalizeNo || isAddress(p.host, p.family()) {
		var err error
		if found, err = p.findCanonical(mode); err != nil {
			return err
		}
	}
	rules := p.cnameRules()
	if found || len(rules) == 0 || (!p.direct() && mode != canonicalizeAlways) {
		return nil
	}
	// The names that a proxy resolves need not be known here.
	cname, err := p.lookup(p.host)
	if err != nil {
		if p.direct() {
			return &lookupError{p.host, err}
		}
		return nil
	}
	p.followCNAME(cname, mode)
	return nil
}

// lookupError is a name that must resolve and does not.
type lookupError struct {
	host string
	err  error
}

func (e *lookupError) Error() string {
	return visible("Could not resolve hostname " + clip(e.host) + ": " + e.err.Error())
}

func (e *lookupError) Unwrap() error { return e.err }

// findCanonical looks for the host as an address or in the domains; found is
// false when it stays as it is.
func (p *pass) findCanonical(mode int64) (found bool, err error) {
	if addr, ok := canonicalAddress(p.host, p.family()); ok {
		if !strings.EqualFold(addr, p.host) {
			p.host = addr
		}
		return true, nil
	}
	if looksLikeAddress(p.host) || mode == canonicalizeNo ||
		(!p.direct() && mode != canonicalizeAlways) {
		return false, nil
	}
	if strings.HasSuffix(p.host, ".") {
		if p.tryCanonical(p.host, mode) {
			return true, nil
		}
		return false, p.notFound()
	}
	if int64(strings.Count(p.host, ".")) > p.vals[kwCanonicalizeMaxDots].orNumber(defaultMaxDots) {
		return false, nil
	}
	for _, domain := range p.vals[kwCanonicalDomains].list {
		if strings.EqualFold(domain, "none") {
			break
		}
		if p.tryCanonical(p.host+"."+domain+".", mode) {
			return true, nil
		}
	}
	return false, p.notFound()
}

// notFound ends the search: by the name as it is, or, when the configuration
// does not want that, by an error.
func (p *pass) notFound() error {
	if p.vals[kwCanonicalizeFallbackLocal].orNumber(yes) != no {
		return nil
	}
	return fatalf("Could not resolve host \"%s\"", p.host)
}

// tryCanonical takes name for the host when it resolves. name ends in a dot.
func (p *pass) tryCanonical(name string, mode int64) bool {
	cname, err := p.lookup(name)
	if err != nil {
		return false
	}
	p.host = strings.TrimSuffix(name, ".")
	p.followCNAME(cname, mode)
	return true
}

// cnameRules are the permitted CNAMEs; "none" means no rule.
func (p *pass) cnameRules() []string {
	rules := p.vals[kwCanonicalizePermittedCNAMEs].list
	if len(rules) == 1 && strings.EqualFold(rules[0], "none"+cnameSeparator) {
		return nil
	}
	return rules
}

// followCNAME takes cname for the host when a rule permits it. ssh.c:
// check_follow_cname.
func (p *pass) followCNAME(cname string, mode int64) {
	cname = strings.TrimSuffix(cname, ".")
	if _, msg := validDomain(cname); msg != "" || cname == p.host || mode == canonicalizeNo {
		return
	}
	if !p.direct() && mode != canonicalizeAlways {
		return
	}
	for _, rule := range p.cnameRules() {
		source, target, _ := strings.Cut(rule, cnameSeparator)
		if matchList(p.host, source, true) == matched && matchList(cname, target, true) == matched {
			p.host = cname
			return
		}
	}
}
