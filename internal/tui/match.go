package tui

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Host is one that can be picked.
type Host struct {
	Name string
	// Tags and Detail (an address, say) are searched too.
	Tags   []string
	Detail string
	// Used is when it was last connected to, zero for never or not known.
	Used time.Time
}

// candidate is a host as the search sees it: all in lower case and cleaned
// once, not for every key.
type candidate struct {
	Host
	shown  string // Name, fit for a terminal
	name   string
	tags   []string
	detail string
	order  int // recent ones first, then as given
}

// hit is a candidate that a query found.
type hit struct {
	*candidate
	score int
	marks uint64 // which of the name's first 64 bytes matched, for drawing
}

// candidates prepares hosts for searching, the recently used first.
func candidates(hosts []Host) []candidate {
	all := make([]candidate, 0, len(hosts))
	for _, h := range hosts {
		c := candidate{Host: h, shown: clean(h.Name), detail: strings.ToLower(clean(h.Detail))}
		c.name = strings.ToLower(c.shown)
		for _, t := range h.Tags {
			c.tags = append(c.tags, strings.ToLower(clean(t)))
		}
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return b.Used.Compare(a.Used) })
	for i := range all {
		all[i].order = i
	}
	return all
}

// query is what was typed: "root@" in front of a host is whom to log in as,
// words are all to be found, "#word" among the tags only.
type query struct {
	user  string
	words []string
}

func parseQuery(text string) query {
	var q query
	if at := strings.LastIndexByte(text, '@'); at >= 0 && !strings.ContainsAny(text[:at], " ") {
		q.user, text = text[:at], text[at+1:]
	}
	q.words = strings.Fields(strings.ToLower(text))
	return q
}

// search lists the candidates that match, best first; without words all of
// them in their order.
func (q query) search(all []candidate, into []hit) []hit {
	into = into[:0]
	for i := range all {
		if h, ok := q.match(&all[i]); ok {
			into = append(into, h)
		}
	}
	if len(q.words) > 0 {
		slices.SortFunc(into, func(a, b hit) int {
			return cmp.Or(b.score-a.score, a.order-b.order)
		})
	}
	return into
}

// match scores one candidate: every word must be found somewhere.
func (q query) match(c *candidate) (hit, bool) {
	h := hit{candidate: c}
	for _, word := range q.words {
		score, marks := matchWord(c, word)
		if score == 0 {
			return h, false
		}
		h.score += score
		h.marks |= marks
	}
	if !c.Used.IsZero() {
		h.score += recentBonus
	}
	return h, true
}

// What a match is worth.
const (
	wholeBonus    = 200 // the word is the whole name
	prefixBonus   = 40
	charScore     = 16
	boundaryBonus = 10 // the letter begins a part of the name
	runBonus      = 8  // the letter follows the one matched before
	gapCost       = 1  // for each letter between the first and the last match
	recentBonus   = 6
	tagScore      = 30
	detailScore   = 12
)

// matchWord finds a word in the name, letters in order with others between,
// or as it is in a tag or the detail. 0 is no match.
func matchWord(c *candidate, word string) (score int, marks uint64) {
	if tag, only := strings.CutPrefix(word, "#"); only {
		return matchTag(c, tag), 0
	}
	score, marks = fuzzy(c.name, word)
	if t := matchTag(c, word); t > score {
		score, marks = t, 0
	}
	if score == 0 && len(word) > 1 && strings.Contains(c.detail, word) {
		score = detailScore
	}
	return score, marks
}

func matchTag(c *candidate, word string) int {
	best := 0
	for _, t := range c.tags {
		switch {
		case t == word:
			return tagScore + charScore*len(word)
		case strings.HasPrefix(t, word):
			best = tagScore
		}
	}
	return best
}

// fuzzy scores the letters of word found in name in their order: the match
// that ends first, taken as late as it can begin.
func fuzzy(name, word string) (score int, marks uint64) {
	if i := strings.Index(name, word); i >= 0 {
		return solid(name, word, i), span(i, len(word))
	}
	end := forward(name, word)
	if end < 0 {
		return 0, 0
	}
	at := end
	last := -2
	for rest := word; rest != ""; { // backwards from the end
		r, size := utf8.DecodeLastRuneInString(rest)
		at = strings.LastIndex(name[:at], string(r))
		score += charScore
		if begins(name, at) {
			score += boundaryBonus
		}
		if at+size == last {
			score += runBonus
		}
		marks |= span(at, size)
		last, rest = at, rest[:len(rest)-size]
	}
	return max(1, score-gapCost*(end-at-len(word))), marks
}

// forward finds where the earliest match of word's letters ends, -1 when
// there is none.
func forward(name, word string) int {
	at := 0
	for _, r := range word {
		i := strings.IndexRune(name[at:], r)
		if i < 0 {
			return -1
		}
		at += i + utf8.RuneLen(r)
	}
	return at
}

// solid scores a word that is in the name as it is, at i.
func solid(name, word string, i int) int {
	score := len(word)*(charScore+runBonus) + runBonus
	switch {
	case name == word:
		score += wholeBonus
	case i == 0:
		score += prefixBonus
	case begins(name, i):
		score += boundaryBonus
	}
	return score
}

// begins reports whether a part of the name begins at i: at its start, after
// a mark, or with the first digit.
func begins(name string, i int) bool {
	if i == 0 {
		return true
	}
	before, _ := utf8.DecodeLastRuneInString(name[:i])
	here, _ := utf8.DecodeRuneInString(name[i:])
	return !unicode.IsLetter(before) && !unicode.IsDigit(before) || unicode.IsDigit(here) && !unicode.IsDigit(before)
}

// span is the marks of n bytes at i.
func span(i, n int) uint64 {
	if i >= 64 {
		return 0
	}
	return (1<<n - 1) << i
}
