package sshconfig

import (
	"slices"
	"strings"
)

// blockIndex finds the lines of a file that matter to a host without a look at
// the others: with thousands of hosts nearly all Host lines are for one.
type blockIndex struct {
	// stops are the lines that matter to every host, in order.
	stops []int32
	// named are the Host lines without a pattern, by each of their names.
	named map[string][]int32
}

// indexAfter is how often a file is read before an index is worth its making.
const indexAfter = 4

// indexed gives the file's index, nil as long as there is none. Only a file
// whose lines were found good has one.
func (f *file) indexed() *blockIndex {
	if f.reads.Add(1) < indexAfter {
		return nil
	}
	f.indexOnce.Do(func() { f.index = newBlockIndex(f.lines) })
	return f.index
}

func newBlockIndex(lines []line) *blockIndex {
	x := &blockIndex{named: make(map[string][]int32)}
	var buf []string
	for i := range lines {
		l := &lines[i]
		if !l.kw.always() {
			continue
		}
		if l.kw == kwHost {
			buf, _ = splitArgs(l.rest, buf[:0])
			if !slices.ContainsFunc(buf, isPattern) {
				for _, name := range buf {
					x.named[name] = append(x.named[name], int32(i))
				}
				continue
			}
		}
		x.stops = append(x.stops, int32(i))
	}
	return x
}

// isPattern tells a name that stands for others too, or for none.
func isPattern(s string) bool { return s == "" || s[0] == '!' || strings.ContainsAny(s, "*?") }

// next is the first line from i on that matters to a host whose block is not
// the one that i is in; end if there is none.
func (x *blockIndex) next(i int, host string, end int) int {
	for _, list := range [][]int32{x.stops, x.named[host]} {
		if at, _ := slices.BinarySearch(list, int32(i)); at < len(list) {
			end = min(end, int(list[at]))
		}
	}
	return end
}
