package sshconfig

import (
	"strings"
)

// setSendEnv accumulates names; "-pattern" takes names back.
func (st *statement) setSendEnv() error {
	words := st.args
	st.args = nil
	for _, w := range words {
		if w == "" || strings.Contains(w, "=") {
			return st.bad("Invalid environment name.")
		}
		if !st.active {
			continue
		}
		if w[0] == '-' {
			st.val().remove(w[1:])
			continue
		}
		st.val().add(w, st.origin())
	}
	return nil
}

// remove drops the entries that match a pattern.
func (v *value) remove(pattern string) {
	list, from := v.list[:0], v.from[:0]
	for i, s := range v.list {
		if !matchPattern(s, pattern) {
			list, from = append(list, s), append(from, v.from[i])
		}
	}
	v.list, v.from = list, from
}

// setSetEnv keeps the first line that is not empty, and in it the first of each
// name.
func (st *statement) setSetEnv() error {
	words := st.args
	st.args = nil
	var kept []string
	for _, w := range words {
		name, _, ok := strings.Cut(w, "=")
		if !ok {
			return st.bad("Invalid SetEnv.")
		}
		if !hasEnv(kept, name) {
			kept = append(kept, w)
		}
	}
	st.setWords(kept)
	return nil
}

func hasEnv(list []string, name string) bool {
	for _, s := range list {
		if n, _, _ := strings.Cut(s, "="); n == name {
			return true
		}
	}
	return false
}

// setPermitOpen reads "any", "none", or host:port words. Its errors end
// everything. readconf.c: oPermitRemoteOpen.
func (st *statement) setPermitOpen() error {
	words := st.args
	st.args = nil
	if len(words) == 0 {
		return st.stop("missing permitremoteopen specification")
	}
	for _, w := range words {
		if strings.EqualFold(w, "none") || strings.EqualFold(w, "any") {
			if len(words) > 1 {
				return st.bad("keyword %s \"%s\" argument must appear alone.", lowerASCII(st.key), w)
			}
			continue
		}
		_, port, more, ok := hostDelimited(w, false)
		if !ok {
			return st.stop("missing host in permitremoteopen")
		}
		if !more || (port != "*" && st.env.port(port) <= 0) {
			return st.stop("bad port number in permitremoteopen")
		}
	}
	st.setWords(words)
	return nil
}

// setDomains reads CanonicalDomains.
func (st *statement) setDomains() error {
	domains, err := st.words(func(w string) (string, error) {
		domain, msg := validDomain(w)
		if msg != "" {
			return "", st.bad("%s", msg)
		}
		return domain, nil
	})
	if err != nil {
		return err
	}
	if st.active && !st.val().set && len(domains) > maxCanonicalDomains {
		return st.bad("too many hostname suffixes.")
	}
	st.setWords(domains)
	return nil
}

// validDomain checks a domain name and returns it in lower case without its
// final dot; msg says what is wrong. misc.c: valid_domain.
func validDomain(s string) (domain, msg string) {
	if s == "" {
		return "", "empty domain name"
	}
	if !isAlnum(s[0]) {
		return "", `domain name "` + clip(s) + `" starts with invalid character`
	}
	d := lowerASCII(s)
	for i := range len(d) {
		c := d[i]
		if c == '.' && i > 0 && d[i-1] == '.' {
			return "", `domain name "` + clip(d) + `" contains consecutive separators`
		}
		if !isAlnum(c) && c != '.' && c != '-' && c != '_' {
			return "", `domain name "` + clip(d) + `" contains invalid characters`
		}
	}
	return strings.TrimSuffix(d, "."), ""
}

// clip bounds a name in a message.
func clip(s string) string {
	return s[:min(len(s), 100)]
}

// cnameSeparator parts source and target in the kept entries.
const cnameSeparator = ":"

// setCNAMEs reads CanonicalizePermittedCNAMEs: "none", "*" or source:target
// pattern lists. An entry is kept as "source:target".
func (st *statement) setCNAMEs() error {
	words := st.args
	st.args = nil
	rules := make([]string, len(words))
	for i, w := range words {
		switch {
		case strings.EqualFold(w, "none"):
			if len(words) > 1 {
				return st.bad("keyword %s \"none\" argument must appear alone.", lowerASCII(st.key))
			}
			rules[i] = w + cnameSeparator
		case w == "*":
			rules[i] = w + cnameSeparator + w
		default:
			source, target, ok := strings.Cut(lowerASCII(w), cnameSeparator)
			if !ok || target == "" {
				return st.bad("Invalid permitted CNAME \"%s\"", lowerASCII(w))
			}
			rules[i] = source + cnameSeparator + target
		}
	}
	if st.active && !st.val().set && len(rules) > maxCanonicalDomains {
		return st.bad("too many permitted CNAMEs.")
	}
	st.setWords(rules)
	return nil
}

// setAlgorithms checks and keeps a list of algorithms as written; the default
// list is applied when all is read.
func (st *statement) setAlgorithms() error {
	arg, err := st.required()
	if err != nil {
		return err
	}
	names := arg
	if arg[0] == '+' || arg[0] == '^' {
		names = arg[1:]
	}
	set := algorithmsOf(st.kw)
	if arg[0] != '-' && !set.valid(names) {
		return st.bad("Bad %s '%s'.", set.what, arg)
	}
	st.str(arg)
	return nil
}

// setGSSKex reads GSSAPIKexAlgorithms, an addition of Debian's OpenSSH.
func (st *statement) setGSSKex() error {
	arg, err := st.required()
	if err != nil {
		return err
	}
	if !exactNames(arg, gssKexNames) {
		return st.bad("Bad GSSAPI KexAlgorithms '%s'.", arg)
	}
	st.str(arg)
	return nil
}
