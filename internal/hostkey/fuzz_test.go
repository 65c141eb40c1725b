package hostkey

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// FuzzKnownHosts reads any bytes as a known_hosts file: a good line after them
// is found whatever they are, and an update keeps all lines that are not the
// host's.
func FuzzKnownHosts(f *testing.F) {
	ed := keyText(f, "ed")
	for _, text := range []string{
		"", "h " + ed + "\n", "# c\n\n @revoked *,!h " + ed + " x\r\n", "@cert-authority\t* " + ed,
		hashName("h") + " " + ed + "\n|1|x|y " + ed + "\n", "h \x00" + ed + "\n@\n@x\n!\n,,, a\n",
		"[h]:22,*?[h]:2222 " + keyText(f, "rsa") + "\nh ssh-rsa AAAAB3NzaC1yc2EAAAABAw==\n",
	} {
		f.Add(text)
	}
	good, err := parseKeyText(ed)
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(dir, "known_hosts")
		if err := os.WriteFile(file, []byte(text+"\nlast.example "+ed+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := New(Config{UserFiles: []string{file}})
		v, err := s.Check(t.Context(), Host{Name: "last.example", Addr: "192.0.2.1"}, good)
		if err != nil || v.Status != Known && v.Status != Revoked {
			t.Fatalf("%v, %v", v.Status, err)
		}
		s.OtherNames(Host{Name: "h"}, good)
		if _, err := s.Algorithms(t.Context(), Host{Name: "h", Port: 2222}, []string{"ssh-rsa", "ssh-ed25519"}); err != nil {
			t.Fatal(err)
		}
		checkRewrite(t, s, text, good)
	})
}

func checkRewrite(t *testing.T, s *Store, text string, key ssh.PublicKey) {
	t.Helper()
	h, keys := Host{Name: "h"}, []ssh.PublicKey{key}
	once := s.rewrite(text, h, keys)
	if twice := s.rewrite(once, h, keys); twice != once {
		t.Fatalf("not stable: %q then %q", once, twice)
	}
	left := strings.Split(once, "\n")
	for line := range strings.SplitSeq(text, "\n") {
		raw, ok := parseLine(line)
		if ok && raw.marker == "" && matchNames(raw.names, "h") {
			continue
		}
		i := slices.Index(left, line)
		if i < 0 {
			t.Fatalf("line %q is lost in %q", line, once)
		}
		left = left[i+1:]
	}
}

// FuzzRevokedList reads any bytes as RevokedHostKeys in text form: a key that
// is listed first is always revoked.
func FuzzRevokedList(f *testing.F) {
	ed := keyText(f, "ed")
	key, err := parseKeyText(ed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add("# c\n\n" + keyText(f, "ec") + "\n" + ed + "\r\n")
	f.Add("@revoked * " + ed)
	f.Fuzz(func(t *testing.T, text string) {
		findRevoked("x", text, key)
		if l, err := findRevoked("x", ed+"\n"+text, key); err != nil || l == nil || l.Number != 1 {
			t.Fatalf("%v, %v", l, err)
		}
	})
}
