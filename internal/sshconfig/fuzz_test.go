package sshconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// memoryFiles are Files of one text, without its includes.
func memoryFiles(text string) *Files {
	one := parseFile("config", text)
	kept := one.lines[:0]
	for _, l := range one.lines {
		if l.kw != kwInclude {
			kept = append(kept, l)
		}
	}
	one.lines = kept
	return &Files{env: hermeticEnv("/home/me"), roots: []root{{one, giverUser}}}
}

// FuzzResolve looks for panics, and for later answers that differ from the
// first: they take the short way past lines that were checked, and then that
// by the index.
func FuzzResolve(f *testing.F) {
	names, err := filepath.Glob("testdata/*/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for part := range strings.SplitSeq(string(data), "\n=== ") {
			if _, text, ok := strings.Cut(part, "\n"); ok {
				f.Add(text, "h")
			}
		}
	}
	f.Fuzz(func(t *testing.T, text, host string) {
		files := memoryFiles(text)
		q := Query{Host: host}
		first, err := files.Resolve(t.Context(), q)
		for range indexAfter + 1 {
			later, err2 := files.Resolve(t.Context(), q)
			if (err == nil) != (err2 == nil) || (err != nil && err.Error() != err2.Error()) {
				t.Fatalf("first %v, then %v", err, err2)
			}
			if err == nil && first.dump() != later.dump() {
				t.Fatalf("answers differ\n%s", lineDiff(first.dump(), later.dump()))
			}
		}
	})
}

// FuzzQuote checks that a quoted value is read back as it was.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", "a b", `"`, `\`, `'\"`, "#x", "a\t", `\\"`, "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		args, ok := splitArgs(Quote(s), nil)
		if !ok || len(args) != 1 || args[0] != s {
			t.Errorf("%q quoted is %s, read as %q %v", s, Quote(s), args, ok)
		}
	})
}

// FuzzMatchPattern compares with the definition of a pattern.
func FuzzMatchPattern(f *testing.F) {
	for _, s := range [][2]string{{"abc", "a*c"}, {"", "*"}, {"ab", "a?"}, {"aab", "*ab"}, {"a", "?*?"}, {"xaxbx", "*a*b"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, s, pattern string) {
		if len(s) > 20 || len(pattern) > 8 {
			return // the definition is exponential
		}
		if got, want := matchPattern(s, pattern), matchesByDefinition(s, pattern); got != want {
			t.Errorf("matchPattern(%q, %q) = %v", s, pattern, got)
		}
	})
}

func matchesByDefinition(s, pattern string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return matchesByDefinition(s, pattern[1:]) || (s != "" && matchesByDefinition(s[1:], pattern))
	}
	return s != "" && (pattern[0] == '?' || pattern[0] == s[0]) && matchesByDefinition(s[1:], pattern[1:])
}
