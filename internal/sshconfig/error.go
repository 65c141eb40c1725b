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
	if e.File == "" {
		return e.Msg
	}
	if e.colon {
		return fmt.Sprintf("%s: line %d: %s", e.File, e.Line, e.Msg)
	}
	return fmt.Sprintf("%s line %d: %s", e.File, e.Line, e.Msg)
}

// commandLine is the file name of overrides in messages.
const commandLine = "command-line"

// BadLines is what reading one file ends in when lines of it are wrong: ssh
// reports each line and gives up after the last.
type BadLines struct {
	File  string
	Lines []*Error
}

// Error returns one line of text for each bad line, and ssh's last words.
func (e *BadLines) Error() string {
	var b strings.Builder
	for _, l := range e.Lines {
		b.WriteString(l.Error())
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s: terminating, %d bad configuration options", e.File, len(e.Lines))
	return b.String()
}

// Unwrap lets errors.As find the first *Error.
func (e *BadLines) Unwrap() []error {
	errs := make([]error, len(e.Lines))
	for i, l := range e.Lines {
		errs[i] = l
	}
	return errs
}

// fatalf is an error that ssh words without a place.
func fatalf(format string, args ...any) *Error {
	return &Error{Msg: fmt.Sprintf(format, args...)}
}
