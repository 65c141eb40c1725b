package transfer

import (
	"strings"
	"testing"
)

func TestParseOperand(t *testing.T) {
	for word, want := range map[string]Operand{
		"file":                     {"", "file"},
		"./a:b":                    {"", "./a:b"},
		"/a:b":                     {"", "/a:b"},
		":x":                       {"", ":x"},
		"-dash":                    {"", "-dash"},
		"web1:":                    {"web1", "."},
		"web1:x":                   {"web1", "x"},
		"web1:~":                   {"web1", "."},
		"web1:~/x":                 {"web1", "x"},
		"web1:~//x":                {"web1", "x"},
		"web1:-x":                  {"web1", "-x"},
		"web1:a:b":                 {"web1", "a:b"},
		"alice@web1:/x y":          {"alice@web1", "/x y"},
		"[::1]:x":                  {"::1", "x"},
		"alice@[fe80::1%eth0]:/":   {"alice@fe80::1%eth0", "/"},
		"scp://web1/x":             {"ssh://web1", "x"},
		"scp://a@web1:2222//etc/x": {"ssh://a@web1:2222", "/etc/x"},
		"scp://web1/a%20b":         {"ssh://web1", "a b"},
		"scp://web1":               {"ssh://web1", "."},
	} {
		got, err := ParseOperand(word)
		if err != nil || got != want {
			t.Errorf("%q: %+v %v, want %+v", word, got, err, want)
		}
	}
	for _, word := range []string{"", "-h:x", "a@:x", "web1:~bob/x", "web1:a\x00b", "scp:///x", "scp://-h/x", "scp://web1/%zz", "[]:x", "we\nb:x"} {
		if got, err := ParseOperand(word); err == nil {
			t.Errorf("%q is taken for %+v", word, got)
		}
	}
}

// FuzzParseOperand holds that a host is never a flag, and that what is printed
// means the same.
func FuzzParseOperand(f *testing.F) {
	for _, word := range []string{"web1:x", "a@[::1]:/x", "scp://a@h:1//x", "./a:b", "[x", "a@[:]:", "web1:~/x"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		o, err := ParseOperand(word)
		if err != nil {
			return
		}
		if !o.Remote() {
			if o.Path != word {
				t.Errorf("%q became %q", word, o.Path)
			}
			return
		}
		if strings.HasPrefix(o.Host, "-") || strings.ContainsRune(o.Path, 0) || o.Path == "" {
			t.Errorf("%q became %+v", word, o)
		}
	})
}

// FuzzNames holds that what checkName lets through is one name.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"a", "..", "a/b", "", ".x.sally-part-0123456789ab", "\x00"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if err := checkName(name); err == nil && (name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00")) {
			t.Errorf("%q", name)
		}
		if prefix := partPrefix(name); len(prefix)+partDigits > longestName || name != "" && !isPart(prefix+"0123456789ab") {
			t.Errorf("%q: %q", name, prefix)
		}
	})
}
