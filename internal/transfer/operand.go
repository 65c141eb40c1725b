package transfer

import (
	"fmt"
	"net/url"
	"strings"
)

// Operand is one word of a copy's command line: a path, and the destination
// that it is on, as ssh would be given it; "" is here.
type Operand struct {
	Host string
	Path string
}

// Remote reports whether the path is on another host.
func (o Operand) Remote() bool { return o.Host != "" }

// String is the operand as a command line has it.
func (o Operand) String() string {
	switch {
	case !o.Remote():
		return o.Path
	case strings.HasPrefix(o.Host, "ssh://"):
		return o.Host + "/" + o.Path
	case strings.Contains(o.Host, ":"):
		user, host, found := strings.Cut(o.Host, "@")
		if !found {
			return "[" + o.Host + "]:" + o.Path
		}
		return user + "@[" + host + "]:" + o.Path
	}
	return o.Host + ":" + o.Path
}

// ParseOperand reads [user@]host:path, scp://[user@]host[:port]/path, or a
// local path, as scp(1) does: what has a slash before its first colon is local,
// so ./a:b is; an address with colons stands in brackets.
func ParseOperand(word string) (Operand, error) {
	if rest, ok := strings.CutPrefix(word, "scp://"); ok {
		return parseURI(word, rest)
	}
	at := colon(word)
	if at < 0 {
		if word == "" {
			return Operand{}, fmt.Errorf("an operand is empty; \".\" is this directory")
		}
		return Operand{Path: word}, nil
	}
	host, path := unbracket(word[:at]), word[at+1:]
	if err := checkHost(host); err != nil {
		return Operand{}, fmt.Errorf("%q: %w", word, err)
	}
	return remote(host, path)
}

// colon finds the one that ends a host, -1 in a local path (scp.c: colon).
func colon(word string) int {
	if strings.HasPrefix(word, ":") {
		return -1
	}
	bracketed := strings.HasPrefix(word, "[")
	for i := 0; i < len(word); i++ {
		switch {
		case word[i] == '@' && i+1 < len(word) && word[i+1] == '[':
			bracketed = true
		case word[i] == ']' && i+1 < len(word) && word[i+1] == ':' && bracketed:
			return i + 1
		case word[i] == ':' && !bracketed:
			return i
		case word[i] == '/':
			return -1
		}
	}
	return -1
}

// unbracket takes the brackets off [::1] and user@[::1].
func unbracket(host string) string {
	user, address, found := strings.Cut(host, "@[")
	if !found {
		user, address = "", strings.TrimPrefix(host, "[")
		if address == host {
			return host
		}
	} else {
		user += "@"
	}
	return user + strings.TrimSuffix(address, "]")
}

// checkHost refuses what cannot be a destination. The rest is ssh's to judge.
func checkHost(host string) error {
	if host == "" || strings.HasPrefix(host, "-") || strings.HasSuffix(host, "@") || strings.ContainsAny(host, "\x00\n\r") {
		return fmt.Errorf("%q is no host", host)
	}
	return nil
}

// parseURI reads what follows scp://; the path is relative to the home
// directory unless it begins with a second slash (RFC draft-ietf-secsh-scp-sftp-ssh-uri).
func parseURI(word, rest string) (Operand, error) {
	authority, path, _ := strings.Cut(rest, "/")
	if err := checkHost(authority); err != nil {
		return Operand{}, fmt.Errorf("%q: %w", word, err)
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return Operand{}, fmt.Errorf("%q: %w", word, err)
	}
	return remote("ssh://"+authority, path)
}

// remote finishes a path on a host: "~/x" is relative to where a session
// begins anyway.
func remote(host, path string) (Operand, error) {
	if strings.ContainsRune(path, 0) {
		return Operand{}, fmt.Errorf("%q holds a zero byte", path)
	}
	switch {
	case path == "~":
		path = "."
	case strings.HasPrefix(path, "~/"):
		path = strings.TrimLeft(path[2:], "/")
	case strings.HasPrefix(path, "~"):
		return Operand{}, fmt.Errorf("%q: another user's home directory cannot be named; give its path, or \"./%s\" for a file of that name", path, path)
	}
	if path == "" {
		path = "."
	}
	return Operand{Host: host, Path: path}, nil
}
