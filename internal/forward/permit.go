package forward

import (
	"errors"
	"strconv"
	"strings"
)

// ErrNotPermitted is a connection that PermitRemoteOpen does not allow.
var ErrNotPermitted = errors.New("not permitted by PermitRemoteOpen")

// permitted matches a target against PermitRemoteOpen's patterns. A host or
// port of "*" stands for any; nothing else is a wildcard (channels.c:
// open_match).
func permitted(patterns []string, t target) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, p := range patterns {
		if strings.EqualFold(p, "any") {
			return true
		}
		host, port, ok := cutPattern(p)
		if ok && (host == "*" || host == t.host) && (port == "*" || port == strconv.Itoa(t.port)) {
			return true
		}
	}
	return false
}

func cutPattern(p string) (host, port string, ok bool) {
	i := strings.LastIndexByte(p, ':')
	if i < 0 {
		return "", "", false
	}
	return strings.TrimSuffix(strings.TrimPrefix(p[:i], "["), "]"), p[i+1:], true
}
