package sshconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzDocument checks that a text that is taken apart is given back as it was,
// and that edits of one host change nothing for others.
func FuzzDocument(f *testing.F) {
	names, err := filepath.Glob("testdata/edit/*.conf")
	if err != nil {
		f.Fatal(err)
	}
	for i, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "alice", byte(i))
		f.Add(strings.ReplaceAll(string(data), "\n", "\r\n"), "a b", byte(i+1))
	}
	f.Fuzz(func(t *testing.T, text, value string, kind byte) {
		if len(text) > 4096 {
			return
		}
		d := ParseDocument(text)
		if d.String() != text {
			t.Fatalf("%q became %q", text, d)
		}
		before := memoryFiles(text)
		hosts := before.Hosts()
		if len(hosts) == 0 || strings.ContainsAny(value, "\n\r\x00") {
			return
		}
		name := hosts[int(kind/8)%len(hosts)].Name
		if !applyFuzzed(t, d, name, value, kind) {
			return
		}
		after := memoryFiles(d.String())
		others := []string{"zz", "web1.example.com"}
		for _, h := range hosts[:min(len(hosts), 6)] {
			if h.Name != name {
				others = append(others, h.Name)
			}
		}
		for _, other := range others {
			q := Query{Host: other, PrintOnly: true}
			was, err := before.Resolve(t.Context(), q)
			if err != nil {
				return // the verbs refuse such a file
			}
			is, err := after.Resolve(t.Context(), q)
			if err != nil && kind%8 < 2 {
				return // the value was wrong, which the verbs find out so
			}
			if err != nil {
				t.Fatalf("%s: %v\n%q\n%q", other, err, text, d)
			}
			if was.dump() != is.dump() {
				t.Fatalf("%s after an edit of %s:\n%s\n%q\n%q", other, name, lineDiff(was.dump(), is.dump()), text, d)
			}
		}
	})
}

// applyFuzzed makes one of the edits and checks what it says about itself.
func applyFuzzed(t *testing.T, d *Document, name, value string, kind byte) bool {
	var err error
	switch kind % 8 {
	case 0:
		err = d.Set(name, []Setting{{"User", []string{Quote(value)}}})
		if err == nil {
			if e, _ := d.Entry(name); value != "" && e.User != value {
				t.Fatalf("the user is %q, not %q: %q", e.User, value, d)
			}
		}
	case 1:
		err = d.Set(name, []Setting{{"ProxyJump", []string{value}}})
	case 2:
		err = d.Set(name, []Setting{{"Port", []string{"4022"}}})
		if e, _ := d.Entry(name); err == nil && e.Port != 4022 {
			t.Fatalf("the port is %d: %q", e.Port, d)
		}
	case 3:
		err = d.Set(name, []Setting{{"IdentityFile", []string{"a", "b"}}})
	case 4:
		err = d.Set(name, []Setting{{"HostName", nil}})
	case 5:
		err = d.AddBlock("added", []Setting{{"Port", []string{"1"}}})
	default:
		if err = d.RemoveHost(name); err == nil && d.Has(name) {
			t.Fatalf("%s is still there: %q", name, d)
		}
	}
	if err != nil && kind%8 > 1 {
		t.Fatalf("%d of %q: %v", kind%8, name, err)
	}
	return err == nil && (kind%8 < 5 || ParseDocument(d.String()).String() == d.String())
}
