package cli

import (
	"strings"
	"testing"
)

func TestNumberedChanges(t *testing.T) {
	for _, test := range []struct{ before, after, want string }{
		{"a\nb\n", "a\nb\n", ""},
		{"", "a\n", "   1 + a"},
		{"a\n", "", "   1 - a"},
		{"a\nb\nc\n", "a\nB\nc\n", "   2 - b;   2 + B"},
		{"x\nsame\nsame\ny\n", "x\nsame\ny\n", "   3 - same"},
		{"a\nb\nc\nd\n", "0\na\nc\nD\n", "   1 + 0;   2 - b;   4 - d;   4 + D"},
		{"a\r\nb\r\n", "a\r\n", "   2 - b"},
		{"a\nb", "c\nd\ne", "   1 - a;   2 - b;   1 + c;   2 + d;   3 + e"},
	} {
		if got := strings.Join(numberedChanges(test.before, test.after), ";"); got != test.want {
			t.Errorf("%q to %q: %q, want %q", test.before, test.after, got, test.want)
		}
	}
}
