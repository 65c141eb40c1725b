package cli

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFit(t *testing.T) {
	for _, test := range []struct {
		line  string
		width int
		want  string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"日本語", 4, "日本"}, {"日本語", 5, "日本"}, {"…ab", 2, "…a"}, {"", 0, ""},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301e\u0301"},
	} {
		if got := fit(test.line, test.width); got != test.want {
			t.Errorf("%q in %d: %q, want %q", test.line, test.width, got, test.want)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, name := range []string{"short", strings.Repeat("x", 100), "a/日本語日本語日本語/file", ""} {
		got := shorten(name, 12)
		width := 0
		for _, r := range got {
			width += columns(r)
		}
		if width > 12 || !strings.HasSuffix(name, strings.TrimPrefix(got, "…")) || !utf8.ValidString(got) {
			t.Errorf("%q became %q", name, got)
		}
	}
}

func TestBar(t *testing.T) {
	for part, want := range map[int64]string{-1: "[    ]", 0: "[    ]", 5: "[==  ]", 10: "[====]", 99: "[====]"} {
		if got := bar(part, 10, 4); got != want {
			t.Errorf("%d: %q", part, got)
		}
	}
	if got := bar(5, 0, 2); got != "[  ]" {
		t.Errorf("%q", got)
	}
}

// TestShown holds that no name reaches a terminal with what steers it.
func TestShown(t *testing.T) {
	for name, want := range map[string]string{
		"plain": "plain", "with space": "with space", "日本": "日本", "a\x1b[31mb": `"a\x1b[31mb"`, "a\nb": `"a\nb"`, "a\xff": `"a\xff"`, "a\u202eb": `"a\u202eb"`,
	} {
		if got := shown(name); got != want {
			t.Errorf("%q: %s", name, got)
		}
	}
}
