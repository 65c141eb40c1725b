package sshconfig

import "strings"

// Origin is where a value came from.
type Origin struct {
	// File and Line are the place in a file; Line is 0 for an override.
	File string
	Line int
	// From is the override's From, "" for a file.
	From string
}

// value is what a keyword was set to so far. Which fields count depends on the
// keyword's kind; zero means that nothing was set.
type value struct {
	set bool
	n   int64
	// n2 and set2 are the second number of the keywords that have two.
	n2   int64
	set2 bool
	s    string
	list []string
	// from has an entry for each of list when the keyword accumulates,
	// otherwise one entry.
	from []Origin
}

// setNumber keeps the first number.
func (v *value) setNumber(n int64, from Origin) {
	if !v.set {
		v.set, v.n = true, n
		v.from = append(v.from, from)
	}
}

// setString keeps the first string.
func (v *value) setString(s string, from Origin) {
	if !v.set {
		v.set, v.s = true, s
		v.from = append(v.from, from)
	}
}

// add appends to an accumulating list.
func (v *value) add(s string, from Origin) {
	v.set = true
	v.list = append(v.list, s)
	v.from = append(v.from, from)
}

// isWholeList tells a list of algorithms that takes the place of the default
// one, or orders it anew, from one that adds to it or removes from it.
func (v *value) isWholeList() bool {
	return v.set && !strings.HasPrefix(v.s, "+") && !strings.HasPrefix(v.s, "-")
}

// orNumber is the number, or def when none was set.
func (v *value) orNumber(def int64) int64 {
	if v.set {
		return v.n
	}
	return def
}
