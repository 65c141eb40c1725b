package sshconfig

import (
	"fmt"
	"strings"
)

// Error is one thing wrong with a configuration, worded as ssh words it.
type Error struct {
	// File is the file's name as ssh prints it, "command-line" for an
	// override, "" when no line is to blame.
	File string
	// Line is the line's number, 0 on the command line.
	Line int
	// Keyword is the keyword in lower case, "" when there is none.
	Keyword string
	// Msg is what is wrong, without the place.
	Msg string
	// colon is set where ssh puts one after the file's name.
	colon bool
}

// Error returns "FILE line N: MSG" ("FILE: line N: MSG" for an unknown keyword), or MSG alone when no file is to blame.
func (e *Error) Error() string {
	switch {
	case e.File == "":
		return visible(e.Msg)
	case e.colon:
		return visible(fmt.Sprintf("%s: line %d: %s", e.File, e.Line, e.Msg))
	}
	return visible(fmt.Sprintf("%s line %d: %s", e.File, e.Line, e.Msg))
}

// visible shows bytes that a terminal might obey, or that are not ASCII, in
// octal, and doubles backslashes, as ssh does in its messages.
func visible(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			b.WriteString(`\\`)
		case c == '\t' || (c >= ' ' && c < 0x7f):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	return b.String()
}

// commandLine is the file name of overrides in messages.
const commandLine = "command-line"

// BadLines is what reading one file ends in when lines of it are wrong: ssh
// reports each line and gives up after the last.
type BadLines struct {
	File  string
	Lines []*Error
	// Last is the error that ended the reading before the file's end, or nil.
	Last error
}

// Error returns one line of text for each bad line, and ssh's last words.
func (e *BadLines) Error() string {
	var b strings.Builder
	for _, l := range e.Lines {
		b.WriteString(l.Error())
		b.WriteByte('\n')
	}
	if e.Last != nil {
		return b.String() + e.Last.Error()
	}
	fmt.Fprintf(&b, "%s: terminating, %d bad configuration options", e.File, len(e.Lines))
	return b.String()
}

// Unwrap lets errors.As find the first *Error.
func (e *BadLines) Unwrap() []error {
	errs := make([]error, 0, len(e.Lines)+1)
	for _, l := range e.Lines {
		errs = append(errs, l)
	}
	if e.Last != nil {
		errs = append(errs, e.Last)
	}
	return errs
}

// fatalf is an error that ssh words without a place.
func fatalf(format string, args ...any) *Error {
	return &Error{Msg: fmt.Sprintf(format, args...)}
}
