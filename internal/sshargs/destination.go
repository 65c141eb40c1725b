package sshargs

import (
	"net"
	"strconv"
	"strings"

	"sallyport/internal/sshconfig"
)

// destination reads [user@]host or ssh://[user@]host[:port]. A user or port
// that is already set stays.
func (p *parser) destination(word string) error {
	d, isURI, err := parseURI(word)
	if err != nil {
		return failUsage("")
	}
	if !isURI {
		d = endpoint{host: word}
		if i := strings.LastIndexByte(word, '@'); i >= 0 {
			d = endpoint{user: word[:i], host: word[i+1:], hasUser: true}
		}
		if d.hasUser && d.user == "" {
			return failUsage("")
		}
	}
	p.inv.Host = d.host
	if d.hasUser {
		p.set.offer("User", sshconfig.Quote(d.user), "destination")
	}
	if d.port != 0 {
		p.set.offer("Port", itoa(d.port), "destination")
	}
	return nil
}

// endpoint is a host with what may be said about it.
type endpoint struct {
	user, host string
	hasUser    bool
	port       int // 0 when not given
}

var errURI = fail("bad ssh:// URI")

// parseURI reads ssh://[user[;parameters]@]host[:port][/]; isURI is false for
// anything that does not start with "ssh://" (misc.c: parse_uri). Host names
// only: OpenSSH takes no address in brackets here.
func parseURI(s string) (d endpoint, isURI bool, err error) {
	rest, ok := strings.CutPrefix(s, "ssh://")
	if !ok {
		return d, false, nil
	}
	if user, after, ok := strings.Cut(rest, "@"); ok {
		user, _, _ = strings.Cut(user, ";")
		if d.user, ok = urlDecode(user); !ok || user == "" {
			return d, true, errURI
		}
		d.hasUser, rest = true, after
	}
	host, sep, rest, _ := cutHost(rest) // "" on failure
	if d.host, ok = validDomain(host); !ok {
		return d, true, errURI
	}
	if sep == ':' && rest != "" {
		var port string
		port, rest, _ = strings.Cut(rest, "/")
		if d.port, ok = parsePort(port); !ok || d.port == 0 {
			return d, true, errURI
		}
	}
	if rest != "" { // a path means nothing to ssh
		return d, true, errURI
	}
	return d, true, nil
}

// cutHost takes a host off the front of s: up to ":" or "/", or in brackets.
// The brackets are removed. sep is what ended it, 0 for the end of s.
func cutHost(s string) (host string, sep byte, rest string, ok bool) {
	end := strings.IndexAny(s, ":/")
	if strings.HasPrefix(s, "[") {
		end = strings.IndexByte(s, ']') + 1
		if end == 0 {
			return "", 0, "", false
		}
		if end == len(s) {
			end = -1
		}
	}
	if end < 0 {
		return trimBrackets(s), 0, "", true
	}
	if s[end] != ':' && s[end] != '/' {
		return "", 0, "", false
	}
	return trimBrackets(s[:end]), s[end], s[end+1:], true
}

func trimBrackets(s string) string {
	if len(s) >= 2 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}

// validDomain checks a host name of a URI and drops a final dot
// (misc.c: valid_domain).
func validDomain(s string) (string, bool) {
	if s == "" || !isAlnum(s[0]) && s[0] != '_' || strings.Contains(s, "..") {
		return "", false
	}
	for i := 0; i < len(s); i++ {
		if !isAlnum(s[i]) && strings.IndexByte(".-_", s[i]) < 0 {
			return "", false
		}
	}
	return strings.TrimSuffix(s, "."), true
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// urlDecode undoes %XX and "+". A NUL or a bad escape is refused.
func urlDecode(s string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			out.WriteByte(' ')
		case '%':
			if i+2 >= len(s) {
				return "", false
			}
			c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil || c == 0 {
				return "", false
			}
			out.WriteByte(byte(c))
			i += 2
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String(), true
}

// validHost refuses what a shell or an option parser further on could
// misread (readconf.c: ssh_valid_hostname).
func validHost(s string) bool {
	return !strings.HasPrefix(s, "-") && !strings.ContainsFunc(s, func(r rune) bool {
		return isControl(r) || strings.ContainsRune("'`\"$\\;&<>|(){}, ", r)
	})
}

// validUser does the same for a user name, which may hold blanks, "$" and
// backslashes within limits (readconf.c: ssh_valid_ruser).
func validUser(s string) bool {
	if strings.HasPrefix(s, "-") || strings.Contains(s, " -") || strings.HasSuffix(s, `\`) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return isControl(r) || strings.ContainsRune("'`\";&<>|(){}", r)
	})
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// validJump checks a ProxyJump value: "none", or hops separated by commas.
func validJump(s string) bool {
	if equalFold(s, "none") {
		return true
	}
	for hop := range strings.SplitSeq(s, ",") {
		if !validHop(hop) {
			return false
		}
	}
	return true
}

func validHop(s string) bool {
	d, isURI, err := parseURI(s)
	if err != nil {
		return false
	}
	if !isURI {
		var ok bool
		if d, ok = parseHop(s); !ok {
			return false
		}
	}
	return validHost(d.host) && (!d.hasUser || validUser(d.user))
}

// parseHop reads [user@]host[:port] (misc.c: parse_user_host_port).
func parseHop(s string) (d endpoint, ok bool) {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		d.user, d.hasUser, s = s[:i], true, s[i+1:]
		if d.user == "" {
			return d, false
		}
	}
	host, sep, rest, ok := cutHost(s)
	if !ok || host == "" || sep == '/' {
		return d, false
	}
	d.host = host
	if rest != "" {
		if d.port, ok = parsePort(rest); !ok || d.port == 0 {
			return d, false
		}
	}
	return d, true
}

// parsePort reads a port number, 0 included, or the name of a TCP service.
func parsePort(s string) (int, bool) {
	if n, ok := number(s); ok {
		return int(n), n >= 0 && n <= 65535
	}
	if s == "" || !isAlnum(s[0]) || s[0] >= '0' && s[0] <= '9' {
		return 0, false
	}
	n, err := net.LookupPort("tcp", s)
	return n, err == nil
}

// number reads a decimal as strtonum(3) does: blanks and a sign may precede.
func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimLeft(s, blanks), 10, 64)
	return n, err == nil
}

func itoa(n int) string { return strconv.Itoa(n) }
