package fanout

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
)

// longestLine bounds a line of a list of hosts.
const longestLine = 4096

// ReadHosts reads a list: hosts with blanks or new lines between them; what
// follows a "#" at the beginning of a word is a comment.
func ReadHosts(r io.Reader) ([]string, error) {
	var hosts []string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	number := 0
	for lines.Scan() {
		number++
		for word := range strings.FieldsSeq(lines.Text()) {
			if strings.HasPrefix(word, "#") {
				break
			}
			if err := CheckHost(word); err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			hosts = append(hosts, word)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", number+1, err)
	}
	return hosts, nil
}

// CheckHost refuses what can be neither a destination nor a pattern.
func CheckHost(word string) error {
	switch {
	case word == "" || strings.Trim(word, "!") == "":
		return fmt.Errorf("%q is no host", word)
	case strings.HasPrefix(word, "-"):
		return fmt.Errorf("%q is no host: it begins with a dash", word)
	case strings.ContainsFunc(word, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }):
		return fmt.Errorf("%q is no host", word)
	}
	return nil
}

// Select makes hosts of words: a word with "*", "?" or "[" stands for the
// names that match it, one that begins with "!" takes those that match it
// away, and any other is a host, known or not. No host comes twice.
func Select(words, names []string) ([]string, error) {
	var hosts, without []string
	for _, w := range words {
		if err := CheckHost(w); err != nil {
			return nil, err
		}
		if not, ok := strings.CutPrefix(w, "!"); ok {
			if _, err := path.Match(not, ""); err != nil {
				return nil, fmt.Errorf("%q: %w", w, err)
			}
			without = append(without, not)
			continue
		}
		if !strings.ContainsAny(w, "*?[") || isAddress(w) {
			hosts = append(hosts, w)
			continue
		}
		found := false
		for _, n := range names {
			ok, err := path.Match(w, n)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", w, err)
			}
			if ok {
				hosts, found = append(hosts, n), true
			}
		}
		if !found {
			return nil, fmt.Errorf("%q matches no host of the configuration", w)
		}
	}
	return keep(hosts, without), nil
}

// isAddress recognises an IPv6 address in brackets, which is no pattern.
func isAddress(w string) bool {
	return strings.Contains(w, "[") && strings.Count(w, ":") > 1 && !strings.ContainsAny(w, "*?")
}

// keep leaves out what matches, and what was there before.
func keep(hosts, without []string) []string {
	seen := map[string]bool{}
	var kept []string
	for _, h := range hosts {
		matches := false
		for _, w := range without {
			if ok, _ := path.Match(w, h); ok || w == h {
				matches = true
			}
		}
		if !matches && !seen[h] {
			kept = append(kept, h)
		}
		seen[h] = true
	}
	return kept
}
