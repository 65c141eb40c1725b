package session

import (
	"fmt"
	"strings"
)

// EscapeKey is the key that was typed after the escape character.
type EscapeKey byte

// The escape keys of ssh(1), section ESCAPE CHARACTERS.
const (
	EscapeDisconnect  EscapeKey = '.'
	EscapeSuspend     EscapeKey = 'Z' - 64 // control-Z
	EscapeBackground  EscapeKey = '&'
	EscapeHelp        EscapeKey = '?'
	EscapeList        EscapeKey = '#'
	EscapeBreak       EscapeKey = 'B'
	EscapeCommandLine EscapeKey = 'C'
	EscapeRekey       EscapeKey = 'R'
	EscapeLessLog     EscapeKey = 'V'
	EscapeMoreLog     EscapeKey = 'v'
)

// String is the key as a user knows it: "^Z", "B".
func (k EscapeKey) String() string { return escapeName(byte(k)) }

// escapeName spells a byte as EscapeChar does: "^Z", "~".
func escapeName(c byte) string {
	if c < 0x20 || c == 0x7f {
		return "^" + string(rune(c^0x40))
	}
	return string(rune(c))
}

func isEscapeKey(c byte) bool {
	switch EscapeKey(c) {
	case EscapeDisconnect, EscapeSuspend, EscapeBackground, EscapeHelp, EscapeList,
		EscapeBreak, EscapeCommandLine, EscapeRekey, EscapeLessLog, EscapeMoreLog:
		return true
	}
	return false
}

// EscapeFilter finds the escapes in what a user types: the escape character
// right after a newline (or at the very beginning), then a key. All else is
// passed on as it is. The escape character typed twice is sent once; before
// any other byte it is sent too. The facts are those of clientloop.c:
// process_escapes.
type EscapeFilter struct {
	char byte
	send func([]byte) error
	key  func(EscapeKey) error
	// newline is true when the last byte that was sent ended a line, pending
	// when the escape character came after that and is held back.
	newline, pending bool
}

// NewEscapeFilter returns a filter for the escape character char. It calls
// send for the bytes that go on and key for each escape, in the order in which
// they were typed. send must not keep its argument.
func NewEscapeFilter(char byte, send func([]byte) error, key func(EscapeKey) error) *EscapeFilter {
	return &EscapeFilter{char: char, send: send, key: key, newline: true}
}

// Feed filters p. An error of send or key ends it and is returned.
func (f *EscapeFilter) Feed(p []byte) error {
	from := 0 // p[from:i] is still to be sent
	for i, c := range p {
		switch {
		case f.pending && isEscapeKey(c) && c != f.char:
			f.pending = false
			from = i + 1
			if err := f.key(EscapeKey(c)); err != nil {
				return err
			}
			continue
		case f.pending:
			f.pending = false
			if c != f.char {
				if err := f.send([]byte{f.char}); err != nil {
					return err
				}
			}
		case f.newline && c == f.char:
			f.pending = true
			if err := f.flush(p[from:i]); err != nil {
				return err
			}
			from = i + 1
			continue
		}
		f.newline = c == '\r' || c == '\n'
	}
	return f.flush(p[from:])
}

func (f *EscapeFilter) flush(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	return f.send(p)
}

// EscapeHelpText lists the escapes, for a terminal in raw mode.
func EscapeHelpText(char byte) string {
	c := escapeName(char)
	var b strings.Builder
	fmt.Fprintf(&b, "%s?\r\nAfter a newline these keys are commands:\r\n", c)
	for _, k := range []struct {
		key  EscapeKey
		does string
	}{
		{EscapeDisconnect, "end this session at once"},
		{EscapeBreak, "send a break to the remote terminal"},
		{EscapeCommandLine, "open a command line for forwards"},
		{EscapeRekey, "negotiate new session keys"},
		{EscapeLessLog, "log less"},
		{EscapeMoreLog, "log more"},
		{EscapeSuspend, "suspend the client"},
		{EscapeList, "list what is forwarded"},
		{EscapeBackground, "go to the background and wait for the forwards to end"},
		{EscapeHelp, "show this list"},
	} {
		fmt.Fprintf(&b, "  %s%-3s %s\r\n", c, k.key, k.does)
	}
	fmt.Fprintf(&b, "  %s%-3s send %s itself\r\n", c, c, c)
	return b.String()
}
