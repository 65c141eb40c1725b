package sshconfig

import (
	"strings"
)

// matchPattern tells whether s matches a pattern of "*" (any run) and "?" (any
// one byte). ssh_config(5), PATTERNS.
func matchPattern(s, pattern string) bool {
	// The last star seen, and where in s its run was last tried to end.
	star, mark := -1, 0
	i, j := 0, 0
	for i < len(s) {
		switch {
		case j < len(pattern) && pattern[j] == '*':
			star, mark = j, i
			j++
		case j < len(pattern) && (pattern[j] == '?' || pattern[j] == s[i]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = mark, star+1
		default:
			return false
		}
	}
	for j < len(pattern) && pattern[j] == '*' {
		j++
	}
	return j == len(pattern)
}

// verdict is what a pattern list says of a string.
type verdict int

const (
	denied    verdict = -1 // a negated pattern matched
	unmatched verdict = 0
	matched   verdict = 1
)

// longestPattern bounds one pattern of a list; a longer one matches nothing.
// match.c: match_pattern_list.
const longestPattern = 1023

// matchList applies a comma-separated pattern list; lower compares with the
// patterns in lower case.
func matchList(s, list string, lower bool) verdict {
	v := unmatched
	for list != "" {
		negated := list[0] == '!'
		if negated {
			list = list[1:]
		}
		pattern, rest, _ := strings.Cut(list, ",")
		list = rest
		if len(pattern) >= longestPattern {
			return unmatched
		}
		if lower {
			pattern = lowerASCII(pattern)
		}
		if !matchPattern(s, pattern) {
			continue
		}
		if negated {
			return denied
		}
		v = matched
	}
	return v
}

// lowerASCII is strings.ToLower for ASCII letters only, as tolower in the C
// locale does.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
