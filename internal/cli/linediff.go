package cli

import (
	"fmt"
	"slices"
)

// numberedChanges lists what changes from one text to another, each line with
// its number in the text that has it.
func numberedChanges(before, after string) []string {
	a, b := splitLines(before), splitLines(after)
	var out []string
	for i, j := 0, 0; i < len(a) || j < len(b); {
		gone, come := nextEqual(a[i:], b[j:])
		for n := range gone {
			out = append(out, fmt.Sprintf("%4d - %s", i+n+1, a[i+n]))
		}
		for n := range come {
			out = append(out, fmt.Sprintf("%4d + %s", j+n+1, b[j+n]))
		}
		i, j = i+gone+1, j+come+1
	}
	return out
}

// farthest bounds the search for the next line that both texts have.
const farthest = 500

// nextEqual is how many lines of a and b come before the next one that both
// have, as few as can be together; all when there is none.
func nextEqual(a, b []string) (gone, come int) {
	for sum := range min(len(a)+len(b), farthest) {
		for gone := range sum + 1 {
			if come := sum - gone; gone < len(a) && come < len(b) && a[gone] == b[come] {
				return gone, come
			}
		}
	}
	return len(a), len(b)
}

// few shortens a long list.
func few(names []string) []string {
	const most = 5
	if len(names) <= most {
		return names
	}
	return append(slices.Clone(names[:most]), fmt.Sprintf("and %d more", len(names)-most))
}
