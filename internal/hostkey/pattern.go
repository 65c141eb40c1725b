package hostkey

// maxPattern is the length from which on a pattern spoils the list it is in.
// match.c: match_pattern_list.
const maxPattern = 1023

// matchNames reports whether a host names field of known_hosts, hashed or a
// list of patterns, stands for name, which is in lower case.
func matchNames(field, name string) bool {
	if field != "" && field[0] == '|' {
		return matchHashed(field, name)
	}
	return matchList(field, name)
}

// matchList reports whether a comma-separated list of patterns matches name.
// One negated pattern that matches rules out the whole list.
func matchList(list, name string) bool {
	found := false
	for list != "" {
		negated := list[0] == '!'
		if negated {
			list = list[1:]
		}
		end := 0
		for end < len(list) && list[end] != ',' {
			end++
		}
		if end >= maxPattern {
			return false
		}
		if matchPattern(list[:end], name) {
			if negated {
				return false
			}
			found = true
		}
		list = list[min(end+1, len(list)):]
	}
	return found
}

// matchPattern matches s, in lower case, against a pattern of any case with
// the wildcards * and ?. It takes at most len(pattern) × len(s) steps.
func matchPattern(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0 // the last * seen and where its match ends
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || lower(pattern[p]) == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// asciiLower lowers A to Z only, as host names want.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}
