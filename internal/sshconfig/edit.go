package sshconfig

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Setting is what a block is to say for one keyword.
type Setting struct {
	// Keyword is written as it is here where it is new.
	Keyword string
	// Values are the keyword's lines, each as a file has it, quoted where need
	// be; none takes the keyword out. Only keywords that add up have several.
	Values []string
}

// ErrNoBlock says that no Host line gives the name literally.
var ErrNoBlock = errors.New("no Host line names it")

// check refuses what would not be one line with one value.
func (s Setting) check() error {
	switch lookupKeyword(s.Keyword) {
	case kwHost, kwMatch, kwInclude:
		return fmt.Errorf("%s is no setting of a host", s.Keyword)
	}
	if key, rest := splitLine(s.Keyword + " x"); key != s.Keyword || rest != "x" {
		return fmt.Errorf("%q is no keyword", s.Keyword)
	}
	for _, v := range s.Values {
		if strings.ContainsAny(v, "\n\r\x00") {
			return fmt.Errorf("%s %q: a value must be one line", s.Keyword, v)
		}
		l := newTextLine(s.Keyword+" "+v, "")
		if v == "" || l.given() != v {
			return fmt.Errorf("%s %q cannot be written as it is", s.Keyword, v)
		}
	}
	return nil
}

// addsUp tells the keywords of which several lines count.
func (kw keyword) addsUp() bool {
	switch keywordTable[kw].kind {
	case kindIdentity, kindForward, kindSendEnv, kindAlternates, kindTags:
		return true
	}
	return false
}

// Set gives the first block of a host the settings. Where other hosts have part
// in the block, the host is given a copy of it first, right before it, so that
// nothing changes for them.
func (d *Document) Set(name string, settings []Setting) error {
	for _, s := range settings {
		if err := s.check(); err != nil {
			return err
		}
	}
	found := d.hostLines(name)
	if len(found) == 0 {
		return fmt.Errorf("%s: %w", name, ErrNoBlock)
	}
	start := found[0]
	changed := func() bool {
		return slices.ContainsFunc(settings, func(s Setting) bool { return d.differs(d.blockAt(start), s) })
	}
	if !changed() {
		return nil
	}
	d.separate(start, name)
	for _, s := range settings {
		d.setOne(start, s)
	}
	return nil
}

// linesOf lists the lines of a block that have the setting's keyword.
func (d *Document) linesOf(b block, s Setting) []int {
	kw := lookupKeyword(s.Keyword)
	var found []int
	for i := b.start + 1; i <= b.last; i++ {
		l := &d.lines[i]
		if l.key != "" && l.kw == kw && (kw != noKeyword || strings.EqualFold(l.key, s.Keyword)) {
			found = append(found, i)
		}
	}
	return found
}

// differs tells whether a block does not say a setting yet.
func (d *Document) differs(b block, s Setting) bool {
	lines := d.linesOf(b, s)
	if len(s.Values) == 0 || len(lines) == 0 || lookupKeyword(s.Keyword).addsUp() {
		if len(lines) != len(s.Values) {
			return true
		}
	}
	for i, v := range s.Values {
		if !d.lines[lines[i]].says(v) {
			return true
		}
	}
	return false
}

// setOne makes a block say a setting. Of a keyword that does not add up only
// the first line counts, and the others stay as they are.
func (d *Document) setOne(start int, s Setting) {
	b := d.blockAt(start)
	lines := d.linesOf(b, s)
	keep := min(len(lines), len(s.Values))
	for i, v := range s.Values[:keep] {
		if l := &d.lines[lines[i]]; !l.says(v) {
			l.replaceValue(v)
		}
	}
	if len(s.Values) == 0 || lookupKeyword(s.Keyword).addsUp() {
		for _, i := range slices.Backward(lines[keep:]) {
			d.delete(i, i+1)
		}
	}
	at := d.blockAt(start).last + 1
	if keep > 0 {
		at = lines[keep-1] + 1
	}
	var added []textLine
	for _, v := range s.Values[keep:] {
		added = append(added, d.newLine(b, s.Keyword, v))
	}
	if len(added) > 0 {
		d.insert(at, added...)
	}
}

// newLine writes a line in the manner of its block.
func (d *Document) newLine(b block, key, value string) textLine {
	indent, separator := d.indentation(), " "
	for i := b.start + 1; i <= min(b.last, len(d.lines)-1); i++ {
		if l := &d.lines[i]; l.key != "" {
			indent, separator = l.indent(), l.separator()
			if l.key == lowerASCII(l.key) {
				key = lowerASCII(key)
			}
			break
		}
	}
	return newTextLine(indent+key+separator+value, "")
}

// separate gives a host that shares the block at start with other patterns a
// block of its own with the same lines there.
func (d *Document) separate(start int, name string) {
	if !needsBlock(d.othersAt(start, name)) {
		return
	}
	b := d.blockAt(start)
	host := d.lines[start]
	own := newTextLine(host.text[:host.value]+Quote(name), "")
	lines := []textLine{own}
	for _, l := range d.lines[b.start+1 : b.last+1] {
		if l.key != "" {
			lines = append(lines, l)
		}
	}
	d.dropPattern(start, name)
	d.insert(start, lines...)
}

// dropPattern takes a name off a Host line that has others.
func (d *Document) dropPattern(i int, name string) {
	l := &d.lines[i]
	rest := l.rest()
	behind := l.text[l.value+len(rest):]
	for at := 0; at < len(rest); {
		if rest[at] == ' ' || rest[at] == '\t' {
			at++
			continue
		}
		if rest[at] == '#' {
			break
		}
		n, word, _ := oneArg(rest[at:])
		if word != name {
			at += n
			continue
		}
		// The space goes with the word: that behind the first one, and that
		// before any other.
		from, to := at, at+n
		if from == 0 {
			to += len(rest[to:]) - len(strings.TrimLeft(rest[to:], " \t"))
		} else {
			from = len(strings.TrimRight(rest[:from], " \t"))
		}
		rest = rest[:from] + rest[to:]
		at = from
	}
	if strings.HasPrefix(rest, "=") { // which would count as the separator
		n, word, _ := oneArg(rest)
		rest = `"` + word + `"` + rest[n:]
	}
	*l = newTextLine(l.text[:l.value]+rest+behind, l.end)
}

// AddBlock puts a Host block at the end.
func (d *Document) AddBlock(name string, settings []Setting) error {
	for _, s := range settings {
		if err := s.check(); err != nil {
			return err
		}
	}
	var lines []textLine
	if n := len(d.lines); n > 0 && strings.TrimSpace(d.lines[n-1].text) != "" {
		lines = append(lines, newTextLine("", ""))
	}
	lines = append(lines, newTextLine("Host "+Quote(name), ""))
	indent := d.indentation()
	for _, s := range settings {
		for _, v := range s.Values {
			lines = append(lines, newTextLine(indent+s.Keyword+" "+v, ""))
		}
	}
	d.insert(len(d.lines), lines...)
	return nil
}

// RemoveHost takes a name off every Host line; a block without another pattern
// goes as a whole, but for comments before it.
func (d *Document) RemoveHost(name string) error {
	found := d.hostLines(name)
	if len(found) == 0 {
		return fmt.Errorf("%s: %w", name, ErrNoBlock)
	}
	for _, i := range slices.Backward(found) {
		if needsBlock(d.othersAt(i, name)) {
			d.dropPattern(i, name)
			continue
		}
		d.removeBlock(i)
	}
	return nil
}

// othersAt are the patterns of a Host line beside a name.
func (d *Document) othersAt(i int, name string) []string {
	return slices.DeleteFunc(d.lines[i].args(), func(p string) bool { return p == name })
}

// needsBlock tells whether patterns can match something: negated ones alone
// never do.
func needsBlock(patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return !strings.HasPrefix(p, "!") })
}

// removeBlock takes a block out, with one of the empty lines around it.
func (d *Document) removeBlock(start int) {
	b := d.blockAt(start)
	from, to := b.start, b.last+1
	for to < len(d.lines) && isIndentedComment(d.lines[to].text) {
		to++
	}
	empty := func(i int) bool { return strings.TrimSpace(d.lines[i].text) == "" }
	switch {
	case to == len(d.lines) && from > 0 && empty(from-1):
		from--
	case to < len(d.lines) && empty(to):
		to++
	}
	d.delete(from, to)
}

// isIndentedComment tells the comments that belong to the lines above.
func isIndentedComment(s string) bool {
	inner := strings.TrimLeft(s, " \t")
	return inner != s && strings.HasPrefix(inner, "#")
}

// Prepend puts a line before all others, behind those that begin with one of
// after.
func (d *Document) Prepend(line string, after ...string) {
	at := 0
	for at < len(d.lines) && slices.Contains(after, d.lines[at].text) {
		at++
	}
	d.insert(at, newTextLine(line, ""))
}

// BlockText is the text of a host's first block.
func (d *Document) BlockText(name string) (string, error) {
	found := d.hostLines(name)
	if len(found) == 0 {
		return "", fmt.Errorf("%s: %w", name, ErrNoBlock)
	}
	b := d.blockAt(found[0])
	part := Document{lines: d.lines[b.start : b.last+1]}
	return part.String(), nil
}

// ReplaceBlock puts a text in the place of a host's first block.
func (d *Document) ReplaceBlock(name, text string) error {
	found := d.hostLines(name)
	if len(found) == 0 {
		return fmt.Errorf("%s: %w", name, ErrNoBlock)
	}
	b := d.blockAt(found[0])
	lines := ParseDocument(text).lines
	if len(lines) == 0 || !startsBlock(lines) {
		return fmt.Errorf("%s: the text must begin with a Host line", name)
	}
	if n := len(lines); lines[n-1].end == "" && b.last+1 < len(d.lines) {
		lines[n-1].end = d.eol()
	}
	d.lines = slices.Replace(d.lines, b.start, b.last+1, lines...)
	return nil
}

// startsBlock tells whether the first line that says something is a Host line:
// else it would belong to the block above.
func startsBlock(lines []textLine) bool {
	for i := range lines {
		if lines[i].key != "" {
			return lines[i].kw == kwHost
		}
	}
	return false
}

// SetFirst gives a keyword a value before all blocks, on its first line there
// or a new one.
func (d *Document) SetFirst(keyword, value string) {
	kw := lookupKeyword(keyword)
	at := 0
	for i := range d.lines {
		l := &d.lines[i]
		if l.kw == kwHost || l.kw == kwMatch {
			break
		}
		if l.key != "" && l.kw == kw {
			l.replaceValue(value)
			return
		}
		if l.key == "" && i == at && strings.HasPrefix(l.text, "#") {
			at++ // behind the comments that the file begins with
		}
	}
	d.insert(at, newTextLine(keyword+" "+value, ""))
}

// Empty reports whether the document has no line.
func (d *Document) Empty() bool { return len(d.lines) == 0 }

// Comment puts comment lines at the end.
func (d *Document) Comment(lines ...string) {
	for _, l := range lines {
		d.insert(len(d.lines), newTextLine("# "+l, ""))
	}
}
