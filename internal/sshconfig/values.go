package sshconfig

import (
	"slices"
	"strings"
)

// Value is one line of Dump with where it came from.
type Value struct {
	// Keyword is in lower case, as "ssh -G" prints it.
	Keyword, Value string
	// From lists the places; it is empty for a default.
	From []Origin
}

// Values are the lines of Dump with their origins. A line with several words
// may come from several places.
func (r *Resolved) Values() []Value {
	var out []Value
	count := map[string]int{}
	for line := range strings.Lines(r.dump()) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		out = append(out, Value{Keyword: strings.ToLower(key), Value: value})
		count[strings.ToLower(key)]++
	}
	seen := map[string]int{}
	for i := range out {
		v := &out[i]
		from := r.from[lookupKeyword(v.Keyword)]
		nth := seen[v.Keyword]
		seen[v.Keyword]++
		switch {
		case count[v.Keyword] == 1:
			v.From = slices.Compact(slices.Clone(from))
		case nth < len(from):
			v.From = []Origin{from[nth]}
		}
	}
	return out
}
