package session

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// filtered runs the pieces through a filter. Events are shown as <key>.
func filtered(char byte, pieces ...string) string {
	var b strings.Builder
	f := NewEscapeFilter(char,
		func(p []byte) error { b.Write(p); return nil },
		func(k EscapeKey) error { fmt.Fprintf(&b, "<%s>", k); return nil })
	for _, p := range pieces {
		f.Feed([]byte(p))
	}
	return b.String()
}

func TestEscapeFilter(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{"~.", "<.>"},
		{"a~.", "a~."},
		{"a\n~.", "a\n<.>"},
		{"a\r~.", "a\r<.>"},
		{"~~.", "~."},
		{"~~~.", "~~."},
		{"\n~~\n~~", "\n~\n~"},
		{"~?~#~&~\x1a~B~C~R~V~v", "<?><#><&><^Z><B><C><R><V><v>"},
		{"~x~.", "~x~."},
		{"~\n~.", "~\n<.>"},
		{"~\r\n~.b", "~\r\n<.>b"},
		{"\x00\xff\n~\x00", "\x00\xff\n~\x00"},
		{"a\n~", "a\n"}, // held back, as ssh does
		{"~Ba~.", "<B>a~."},
	} {
		if got := filtered('~', test.in); got != test.want {
			t.Errorf("%q: got %q, want %q", test.in, got, test.want)
		}
		if got := filtered('~', strings.Split(test.in, "")...); got != test.want {
			t.Errorf("%q byte by byte: got %q, want %q", test.in, got, test.want)
		}
	}
}

func TestEscapeFilterOtherCharacters(t *testing.T) {
	for _, test := range []struct {
		char     byte
		in, want string
	}{
		{'%', "~.\n%.", "~.\n<.>"},
		{'\x1d', "\x1d.\x1d\x1d", "<.>\x1d"},
		// The character itself always wins over a key.
		{'.', "..\n.?", ".\n<?>"},
		{'\r', "\r.", "<.>"},
	} {
		if got := filtered(test.char, test.in); got != test.want {
			t.Errorf("%q with %q: got %q, want %q", test.in, test.char, got, test.want)
		}
	}
}

func TestEscapeFilterErrors(t *testing.T) {
	stop := errors.New("stop")
	sent := ""
	f := NewEscapeFilter('~', func(p []byte) error { sent += string(p); return nil }, func(EscapeKey) error { return stop })
	if err := f.Feed([]byte("a\n~.b")); err != stop || sent != "a\n" {
		t.Errorf("key: %v, sent %q", err, sent)
	}
	f = NewEscapeFilter('~', func([]byte) error { return stop }, func(EscapeKey) error { return nil })
	for _, in := range []string{"~x", "a", "b\n~"} {
		if err := f.Feed([]byte(in)); err != stop {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestEscapeHelpText(t *testing.T) {
	help := EscapeHelpText('~')
	for _, k := range []string{"~.", "~B", "~C", "~R", "~V", "~v", "~^Z", "~#", "~&", "~?", "~~"} {
		if !strings.Contains(help, "  "+k+" ") {
			t.Errorf("%s is not explained", k)
		}
	}
	if strings.Count(help, "\n") != strings.Count(help, "\r\n") {
		t.Error("a line ends without a carriage return")
	}
	if !strings.Contains(EscapeHelpText(0x1d), "^].") {
		t.Error("control characters are not spelled")
	}
}

// However the input is cut, the result is the same, and without the escape
// character nothing changes.
func FuzzEscapeFilter(f *testing.F) {
	f.Add("a\n~.~~\r~x", 3)
	f.Add("~", 0)
	f.Fuzz(func(t *testing.T, in string, cut int) {
		cut = max(0, min(cut, len(in)))
		whole := filtered('~', in)
		if parts := filtered('~', in[:cut], in[cut:]); parts != whole {
			t.Errorf("%q cut at %d: %q, whole: %q", in, cut, parts, whole)
		}
		if !strings.Contains(in, "~") && whole != in {
			t.Errorf("%q became %q", in, whole)
		}
	})
}
