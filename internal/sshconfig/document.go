package sshconfig

import (
	"slices"
	"strings"
)

// Document is the text of one configuration file as lines, for changing it.
// Whatever is not changed stays as it is, byte for byte: comments, order,
// indentation, ends of lines, and what is not understood.
type Document struct {
	lines []textLine
}

// textLine is a line of a Document.
type textLine struct {
	text string // without its end
	end  string // "\n", "\r\n", or "" for a last line without one
	kw   keyword
	// key is the keyword as written, "" for a line that says nothing; the value
	// is text[value:], with what may follow it.
	key   string
	value int
}

// ParseDocument takes a text apart. Any text is a Document, also one that says
// nothing valid; String gives it back.
func ParseDocument(text string) *Document {
	d := &Document{}
	for line := range strings.Lines(text) {
		s, end := line, ""
		if cut, ok := strings.CutSuffix(s, "\n"); ok {
			s, end = cut, "\n"
			if cut, ok := strings.CutSuffix(s, "\r"); ok {
				s, end = cut, "\r\n"
			}
		}
		d.lines = append(d.lines, newTextLine(s, end))
	}
	return d
}

// newTextLine reads one line. "\r" alone is whitespace to ssh, so it is the
// same with and without the end.
func newTextLine(text, end string) textLine {
	l := textLine{text: text, end: end}
	key, rest := splitLine(text)
	if key == "" {
		return l
	}
	l.kw, l.key = lookupKeyword(key), key
	l.value = len(statementText(text)) - len(rest)
	return l
}

// statementText is the part of a line that splitLine looks at.
func statementText(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	if s == "" {
		return ""
	}
	return trimEnd(s)
}

// String is the whole text.
func (d *Document) String() string {
	var b strings.Builder
	for i := range d.lines {
		b.WriteString(d.lines[i].text)
		b.WriteString(d.lines[i].end)
	}
	return b.String()
}

// rest is a line's value with a comment behind it, as parseFile would give it.
func (l *textLine) rest() string { return statementText(l.text)[l.value:] }

// valueEnd is where the value ends in the line, before a comment.
func (l *textLine) valueEnd() int {
	rest := l.rest()
	switch keywordTable[l.kw].kind {
	case kindCommand:
		return l.value + len(rest)
	case kindJump:
		if i := strings.IndexAny(rest, "# \t\n\v\f\r"); i > 0 {
			return l.value + i
		}
		return l.value + len(rest)
	}
	end := 0
	for i := 0; i < len(rest); {
		if rest[i] == ' ' || rest[i] == '\t' {
			i++
			continue
		}
		if rest[i] == '#' {
			break
		}
		n, _, _ := oneArg(rest[i:])
		i += n
		end = i
	}
	return l.value + end
}

// given is the value as written, without a comment.
func (l *textLine) given() string { return l.text[l.value:l.valueEnd()] }

// args are the value's words.
func (l *textLine) args() []string {
	args, _ := splitArgs(l.given(), nil)
	return args
}

// says reports whether a line gives a value, however it is quoted.
func (l *textLine) says(value string) bool {
	if l.given() == value {
		return true
	}
	switch keywordTable[l.kw].kind {
	case kindCommand, kindJump:
		return false
	}
	args, ok := splitArgs(value, nil)
	return ok && slices.Equal(l.args(), args)
}

// replaceValue puts another value in the place of the old one.
func (l *textLine) replaceValue(value string) {
	before, behind := l.text[:l.value], l.text[l.valueEnd():]
	if strings.TrimRight(before, " \t\r=\"") == before {
		before += " " // a keyword alone
	}
	*l = newTextLine(before+value+behind, l.end)
}

// indent is the whitespace before the keyword.
func (l *textLine) indent() string {
	return l.text[:len(l.text)-len(strings.TrimLeft(l.text, " \t"))]
}

// separator is what stands between keyword and value.
func (l *textLine) separator() string {
	between := l.text[:l.value]
	between = between[len(strings.TrimRight(between, " \t=")):]
	switch {
	case strings.Contains(between, "="):
		return between
	case strings.Contains(between, "\t"):
		return "\t"
	}
	return " "
}

// eol is how the document ends its lines.
func (d *Document) eol() string {
	for i := range d.lines {
		if d.lines[i].end != "" {
			return d.lines[i].end
		}
	}
	return "\n"
}

// insert puts lines in before line i. A last line without an end stays one.
func (d *Document) insert(i int, lines ...textLine) {
	eol := d.eol()
	for j := range lines {
		lines[j].end = eol
	}
	if n := len(d.lines); i == n && n > 0 && d.lines[n-1].end == "" {
		d.lines[n-1].end = eol
		lines[len(lines)-1].end = ""
	}
	d.lines = slices.Insert(d.lines, i, lines...)
}

// delete takes lines out. A last line without an end leaves one.
func (d *Document) delete(from, to int) {
	if from == to {
		return
	}
	end := d.lines[to-1].end
	d.lines = slices.Delete(d.lines, from, to)
	if n := len(d.lines); end == "" && n > 0 {
		d.lines[n-1].end = ""
	}
}

// block is the lines of a Host or Match: its own is start, and last is the last
// one that says something. What follows up to the next block are comments and
// empty lines, which may belong to that one.
type block struct{ start, last int }

// blockAt is the block whose Host or Match line is line i.
func (d *Document) blockAt(i int) block {
	b := block{start: i, last: i}
	for j := i + 1; j < len(d.lines); j++ {
		l := &d.lines[j]
		if l.kw == kwHost || l.kw == kwMatch {
			break
		}
		if l.key != "" {
			b.last = j
		}
	}
	return b
}

// hostLines lists the Host lines that give a name literally.
func (d *Document) hostLines(name string) []int {
	var found []int
	for i := range d.lines {
		if d.lines[i].kw == kwHost && slices.Contains(d.lines[i].args(), name) {
			found = append(found, i)
		}
	}
	return found
}

// Has reports whether a Host line gives a name literally.
func (d *Document) Has(name string) bool { return len(d.hostLines(name)) > 0 }

// indentation is what the document's blocks are indented by.
func (d *Document) indentation() string {
	inBlock := false
	for i := range d.lines {
		l := &d.lines[i]
		switch {
		case l.kw == kwHost || l.kw == kwMatch:
			inBlock = true
		case inBlock && l.key != "":
			return l.indent()
		}
	}
	return "    "
}
