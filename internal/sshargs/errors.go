package sshargs

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// UsageError says what is wrong with a command line. ssh(1) ends with status
// 255 in each case.
type UsageError struct {
	// Text is the message, without the program's name; "" when ssh prints its
	// usage alone.
	Text string
	// ShowUsage is true where ssh prints its usage after the message.
	ShowUsage bool
	// Err classifies the error: ErrHost, ErrUser, or nil.
	Err error
}

// Error gives Text, or a short phrase when ssh would print its usage alone.
func (e *UsageError) Error() string {
	if e.Text == "" {
		return "bad usage"
	}
	return e.Text
}

// Unwrap returns the class of the error.
func (e *UsageError) Unwrap() error { return e.Err }

var (
	// ErrHost is the class of host names that ssh refuses because they could
	// be taken for an option or expanded by a shell.
	ErrHost = errors.New("hostname contains invalid characters")
	// ErrUser is the same for user names.
	ErrUser = errors.New("remote username contains invalid characters")
)

func fail(format string, args ...any) error {
	return &UsageError{Text: fmt.Sprintf(format, args...)}
}

func failUsage(text string) error {
	return &UsageError{Text: text, ShowUsage: true}
}

// Usage writes the synopsis of the flags that Parse accepts, for a program
// called name.
func Usage(w io.Writer, name string) error {
	_, err := io.WriteString(w, usageText(name, 78))
	return err
}

func usageText(name string, width int) string {
	var plain strings.Builder
	words := []string{""}
	for _, f := range flags {
		switch {
		case f.obsolete:
		case f.arg == "":
			plain.WriteByte(f.letter)
		default:
			words = append(words, fmt.Sprintf("[-%c %s]", f.letter, f.arg))
		}
	}
	words[0] = "[-" + plain.String() + "]"
	words = append(words, "destination [command [argument ...]]")
	prefix := "usage: " + name + " "
	indent := strings.Repeat(" ", len(prefix))
	var out, line strings.Builder
	line.WriteString(prefix)
	for _, word := range words {
		if line.Len() > len(prefix) && line.Len()+len(word) > width {
			out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
			line.Reset()
			line.WriteString(indent)
		}
		line.WriteString(word + " ")
	}
	out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	return out.String()
}
