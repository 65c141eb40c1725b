package sshconfig

import (
	"strings"
	"testing"
)

func TestDocumentSet(t *testing.T) {
	one := func(keyword string, values ...string) []Setting { return []Setting{{keyword, values}} }
	for _, test := range []struct {
		name, before string
		settings     []Setting
		after        string
	}{
		{"nothing to do", "Host h\n Port 22 # x\n", one("Port", "22"), "Host h\n Port 22 # x\n"},
		{"however it is quoted", "Host h\nUser \"me\"\n", one("User", "me"), "Host h\nUser \"me\"\n"},
		{"in place", "# a\nHost h # b\n\tport=22 # c\n\n# d\nHost i\n", one("Port", "2222"), "# a\nHost h # b\n\tport=2222 # c\n\n# d\nHost i\n"},
		{"only the first counts", "Host h\n Port 1\n Port 2\n", one("Port", "3"), "Host h\n Port 3\n Port 2\n"},
		{"out", "Host h\n Port 1\n User x\n Port 2\n", one("Port"), "Host h\n User x\n"},
		{"added", "Host h\n\tuser = x\n\n# i\nHost i\n", one("Port", "3"), "Host h\n\tuser = x\n\tport = 3\n\n# i\nHost i\n"},
		{"no newline", "Host h", one("Port", "3"), "Host h\n    Port 3"},
		{"crlf", "Host h\r\n  User x\r\n", one("Port", "3"), "Host h\r\n  User x\r\n  Port 3\r\n"},
		{"crlf without the last", "Host h\r\n  User x", one("Port", "3"), "Host h\r\n  User x\r\n  Port 3"},
		{"aligned", "Host h\n  User      x\n", one("User", "y"), "Host h\n  User      y\n"},
		{"many", "Host h\n IdentityFile a\n User x\n IdentityFile b\n", one("IdentityFile", "c"), "Host h\n IdentityFile c\n User x\n"},
		{"more", "Host h\n IdentityFile a\n User x\n", one("IdentityFile", "a", "b"), "Host h\n IdentityFile a\n IdentityFile b\n User x\n"},
		{"jump with a comment", "Host h\n ProxyJump a,b # c\n", one("ProxyJump", "d"), "Host h\n ProxyJump d # c\n"},
		{"command", "Host h\n ProxyCommand a # b\n", one("ProxyCommand", "c"), "Host h\n ProxyCommand c\n"},
		{"shared", "Host h i\n Port 1\n\n User x\n", one("Port", "2"), "Host h\n Port 2\n User x\nHost i\n Port 1\n\n User x\n"},
		{"shared by a pattern", "Host a* h\n", one("Port", "2"), "Host h\n    Port 2\nHost a*\n"},
		{"negated others share nothing", "Host h !i\n", one("Port", "2"), "Host h !i\n    Port 2\n"},
		{"nul", "Host h\n Port 1\x00 x\n", one("Port", "2"), "Host h\n Port 2\x00 x\n"},
		{"unknown", "Host h\n foo bar\n Foo baz\n", one("FOO", "x"), "Host h\n foo x\n Foo baz\n"},
	} {
		d := ParseDocument(test.before)
		if err := d.Set("h", test.settings); err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if got := d.String(); got != test.after {
			t.Errorf("%s:\n%q, want\n%q", test.name, got, test.after)
		}
	}
}

func TestDocumentSetRefuses(t *testing.T) {
	for _, s := range []Setting{
		{"Port", []string{"1\nHost *"}}, {"Port", []string{""}}, {"Port", []string{" 1"}}, {"Port", []string{"1 # x"}},
		{"User", []string{"a\x00"}}, {"Host", []string{"x"}}, {"Port\nUser", []string{"x"}}, {"#", []string{"x"}}, {"", []string{"x"}},
	} {
		d := ParseDocument("Host h\n")
		if err := d.Set("h", []Setting{s}); err == nil {
			t.Errorf("%q: no error, but %q", s, d)
		}
	}
	if err := ParseDocument("Host *\n").Set("h", nil); err == nil {
		t.Error("a host that has no block")
	}
}

func TestDocumentRemoveHost(t *testing.T) {
	for _, test := range []struct{ name, before, after string }{
		{"the only one", "Host h\n Port 1\n", ""},
		{"the first", "# x\nHost h\n Port 1\n\nHost i\n", "# x\nHost i\n"},
		{"the last", "Host i\n\nHost h\n Port 1\n", "Host i\n"},
		{"no newline", "Host i\n\nHost h\n Port 1", "Host i"},
		{"with its comments", "Host h\n # a\n Port 1\n # b\n# c\nHost i\n", "# c\nHost i\n"},
		{"a pattern", "Host a h  b # c\n Port 1\n", "Host a  b # c\n Port 1\n"},
		{"the first pattern", "Host h  b\n Port 1\n", "Host b\n Port 1\n"},
		{"twice", "Host h\nHost i h\nHost *\n", "Host i\nHost *\n"},
		{"before nothing but a negated one", "Host h !j\nUser x\nHost *\n", "Host *\n"},
	} {
		d := ParseDocument(test.before)
		if err := d.RemoveHost("h"); err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if got := d.String(); got != test.after {
			t.Errorf("%s:\n%q, want\n%q", test.name, got, test.after)
		}
	}
}

// TestDocumentAddRemove: what was added and removed again leaves no trace.
func TestDocumentAddRemove(t *testing.T) {
	for _, before := range []string{"", "Host i\n\tPort 1\n", "Host i\n\tPort 1", "# x\r\n", "Host i\r\n Port 1", "a", "Host i\n\n"} {
		d := ParseDocument(before)
		if err := d.AddBlock("h", []Setting{{"Port", []string{"22"}}}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(d.String(), "Host h") {
			t.Errorf("%q: %q", before, d)
		}
		if err := d.RemoveHost("h"); err != nil {
			t.Fatal(err)
		}
		if d.String() != before && before != "Host i\n\n" { // an empty line at the end parts the block from the others
			t.Errorf("%q became %q", before, d)
		}
	}
}
