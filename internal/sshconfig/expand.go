package sshconfig

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"strings"
)

// tokens maps a token's letter to what stands for it, which is found out only
// where the token stands: a hash costs more than all the others.
type tokens map[byte]func() string

// always is a token that stands for s.
func always(s string) func() string { return func() string { return s } }

// expandEnv replaces ${NAME}.
func (e *Env) expandEnv(s string) (string, error) {
	return e.expand(s, true, nil)
}

// expandTokens replaces %x; "%%" is a percent sign.
func (e *Env) expandTokens(s string, t tokens) (string, error) {
	return e.expand(s, false, t)
}

// expandBoth replaces ${NAME} and %x.
func (e *Env) expandBoth(s string, t tokens) (string, error) {
	return e.expand(s, true, t)
}

// expand replaces ${NAME} when env is set, and %x when t is not nil. misc.c:
// vdollar_percent_expand.
func (e *Env) expand(s string, env bool, t tokens) (string, error) {
	if !strings.ContainsAny(s, "$%") {
		return s, nil
	}
	var b strings.Builder
	missing := ""
	for i := 0; i < len(s); i++ {
		switch {
		case env && strings.HasPrefix(s[i:], "${"):
			name, _, ok := strings.Cut(s[i+2:], "}")
			if !ok {
				return "", fatalf("environment variable '%s' missing closing '}'", s[i+2:])
			}
			if name == "" {
				return "", fatalf("zero-length environment variable")
			}
			v, ok := e.Getenv(name)
			if !ok {
				missing = name
			}
			b.WriteString(v)
			i += 2 + len(name)
		case t != nil && s[i] == '%':
			i++
			if err := t.write(&b, s, i); err != nil {
				return "", err
			}
		default:
			b.WriteByte(s[i])
		}
	}
	if missing != "" {
		return "", fatalf("env var ${%s} has no value", missing)
	}
	return b.String(), nil
}

// write appends what stands for the token whose letter is s[i].
func (t tokens) write(b *strings.Builder, s string, i int) error {
	if i >= len(s) {
		return fatalf("invalid format")
	}
	if s[i] == '%' {
		b.WriteByte('%')
		return nil
	}
	v, ok := t[s[i]]
	if !ok {
		return fatalf("unknown key %%%c", s[i])
	}
	b.WriteString(v())
	return nil
}

// ExpandHome replaces a leading "~" or "~user"; no such user is an error.
// misc.c: tilde_expand.
func (e *Env) ExpandHome(s string) (string, error) {
	if !strings.HasPrefix(s, "~") {
		return s, nil
	}
	name, path, _ := strings.Cut(s[1:], "/")
	home := e.Home
	if name != "" {
		var ok bool
		if home, ok = e.LookupHome(name); !ok {
			return "", fatalf("No such user %s", name)
		}
	}
	if !strings.HasSuffix(home, "/") {
		home += "/"
	}
	return home + strings.TrimLeft(path, "/"), nil
}

// subject is what tokens speak of.
type subject struct {
	original string // %n
	host     string // %h
	alias    string // %k
	user     string // %r
	jump     string // %j, the last jump host
	port     int    // %p
}

// tokens are the ones that most keywords take. ssh_config(5), TOKENS; %j is
// OpenSSH 9.6's.
func (e *Env) tokens(s subject) tokens {
	short, _, _ := strings.Cut(e.LocalHost, ".")
	return tokens{
		'L': always(short), 'd': always(e.Home), 'h': always(s.host), 'i': always(strconv.Itoa(e.UID)),
		'j': always(s.jump), 'k': always(s.alias), 'l': always(e.LocalHost), 'n': always(s.original),
		'p': always(strconv.Itoa(s.port)), 'r': always(s.user), 'u': always(e.LocalUser),
		'C': func() string { return e.hash(s) },
	}
}

// hash is %C.
func (e *Env) hash(s subject) string {
	hashed := e.LocalHost + s.host + strconv.Itoa(s.port) + s.user
	if s.jump != "" && e.HashJump != nil && e.HashJump() {
		hashed += s.jump
	}
	sum := sha1.Sum([]byte(hashed))
	return hex.EncodeToString(sum[:])
}
