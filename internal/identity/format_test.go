package identity

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/crypto/ssh"
)

// signs checks that a Set's only identity makes a good signature of every
// algorithm that it names.
func signs(t *testing.T, s *Set) {
	t.Helper()
	ids := s.Identities()
	if len(ids) != 1 {
		t.Fatalf("%d identities, want 1; notes %q", len(ids), s.Notes())
	}
	algos := ids[0].Algorithms()
	if len(algos) == 0 {
		t.Fatalf("no algorithms: %v", ids[0].Prepare())
	}
	for _, algo := range algos {
		sig, err := ids[0].SignWithAlgorithm(nil, []byte("data"), algo)
		if err != nil {
			t.Fatalf("%s: %v", algo, err)
		}
		if err := ids[0].PublicKey().Verify([]byte("data"), sig); err != nil || sig.Format != algo {
			t.Fatalf("%s: signature of format %s: %v", algo, sig.Format, err)
		}
	}
}

// Every type in every format that ssh-keygen writes, with and without a
// passphrase, and with and without the .pub file beside it.
func TestFormats(t *testing.T) {
	types := map[string][]string{
		"rsa": {"-t", "rsa", "-b", "2048"}, "ed25519": {"-t", "ed25519"},
		"ecdsa256": {"-t", "ecdsa", "-b", "256"}, "ecdsa384": {"-t", "ecdsa", "-b", "384"}, "ecdsa521": {"-t", "ecdsa", "-b", "521"},
	}
	for name, args := range types {
		for _, format := range []string{"RFC4716", "PEM", "PKCS8"} {
			for _, pass := range []string{"", passphrase} {
				t.Run(name+"/"+format+"/"+pass, func(t *testing.T) {
					dir := t.TempDir()
					path := filepath.Join(dir, "key")
					keygen(t, dir, append([]string{"-m", format, "-N", pass, "-C", "a comment", "-f", path}, args...)...)
					p := &person{passphrases: []string{passphrase, passphrase}}
					s := open(t, Config{Files: []string{path}, FilesSet: true}, p)
					if len(p.asked) != 0 {
						t.Fatalf("opening asked %q", p.asked)
					}
					signs(t, s)
					if err := os.Remove(path + ".pub"); err != nil {
						t.Fatal(err)
					}
					signs(t, open(t, Config{Files: []string{path}, FilesSet: true}, p))
					if want := map[string]int{"": 0, passphrase: 2}[pass]; len(p.asked) != want {
						t.Fatalf("asked %q, want %d questions", p.asked, want)
					}
					if len(p.notices) > 0 {
						t.Fatalf("notices %q", p.notices)
					}
				})
			}
		}
	}
}

// Every cipher that OpenSSH's own format can be encrypted with, ssh-keygen
// being the judge of our key derivation and ciphers.
func TestContainerCiphers(t *testing.T) {
	dir := t.TempDir()
	for name := range fileCiphers {
		for _, rounds := range []string{"1", "3"} {
			path := filepath.Join(dir, name+rounds)
			keygen(t, dir, "-t", "ed25519", "-Z", name, "-a", rounds, "-N", passphrase, "-C", "the comment", "-f", path)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			key, err := parsePrivate(data, []byte(passphrase))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if key.comment != "the comment" {
				t.Errorf("%s: comment %q", name, key.comment)
			}
			for _, wrong := range []string{"", "wrong"} {
				if _, err := parsePrivate(data, []byte(wrong)); !errors.Is(err, ErrWrongPassphrase) {
					t.Errorf("%s: passphrase %q: %v", name, wrong, err)
				}
			}
		}
	}
}

// Formats that openssl writes and ssh reads.
func TestOpenSSLFormats(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	run(t, dir, nil, "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", plain)
	for _, args := range [][]string{
		{"-v2", "aes-128-cbc"}, {"-v2", "aes-192-cbc"}, {"-v2", "aes-256-cbc"}, {"-v2", "des3"},
		{"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"}, {"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"},
		{"-scrypt", "-scrypt_N", "1024"},
	} {
		path := filepath.Join(dir, "key")
		run(t, dir, nil, "openssl", append([]string{"pkcs8", "-topk8", "-in", plain, "-out", path, "-passout", "pass:" + passphrase}, args...)...)
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		p := &person{passphrases: []string{"wrong", passphrase}}
		signs(t, open(t, Config{Files: []string{path}, FilesSet: true}, p))
		if len(p.asked) != 2 {
			t.Errorf("%q: asked %q", args, p.asked)
		}
	}
	// Curve parameters before the key.
	params := filepath.Join(dir, "params")
	run(t, dir, nil, "openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", params)
	if err := os.Chmod(params, 0o600); err != nil {
		t.Fatal(err)
	}
	signs(t, open(t, Config{Files: []string{params}, FilesSet: true}, nil))
}

// DSA works in both formats, encrypted too, and only when the configuration
// accepts it.
func TestDSA(t *testing.T) {
	dir := t.TempDir()
	for name, format := range map[string][]string{
		"pem": {"-m", "PEM", "-N", ""}, "own": {"-N", ""}, "own-encrypted": {"-N", passphrase},
	} {
		path := filepath.Join(dir, name)
		keygen(t, dir, append([]string{"-t", "dsa", "-f", path}, format...)...)
		signs(t, open(t, Config{Files: []string{path}, AcceptedAlgorithms: []string{"ssh-dss"}}, &person{passphrases: []string{passphrase}}))
		if ids := open(t, Config{Files: []string{path}, AcceptedAlgorithms: []string{"ssh-ed25519"}}, nil).Identities(); len(ids) != 0 {
			t.Fatalf("%s: offered %v", name, ids)
		}
	}
}

func TestBrokenFiles(t *testing.T) {
	dir := t.TempDir()
	good := newKey(t, dir, "good", "ed25519")
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"empty": {}, "text": []byte("hello\n"), "cut": text[:len(text)/2],
		"other": bytes.ReplaceAll(text, []byte("OPENSSH"), []byte("RSA")),
		"flip":  append(append(bytes.Clone(text[:120]), text[120]^1), text[121:]...),
		"huge":  make([]byte, maxKeyFile+1),
	}
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		p := &person{}
		s := open(t, Config{Files: []string{path}, FilesSet: true}, p)
		for _, id := range s.Identities() {
			_, err := id.Sign(nil, []byte("x"))
			var ke *KeyError
			if !errors.As(err, &ke) || ke.Key != path || len(p.asked) > 0 || len(p.notices) != 1 {
				t.Errorf("%s: %v, asked %q, notices %q", name, err, p.asked, p.notices)
			}
		}
	}
	fifo := filepath.Join(dir, "fifo")
	run(t, dir, nil, "mkfifo", "-m", "600", fifo)
	if err := open(t, Config{Files: []string{fifo}, FilesSet: true}, nil).Identities()[0].Prepare(); !errors.Is(err, ErrInvalidFormat) {
		t.Errorf("fifo: %v", err)
	}
}

func TestAlgorithms(t *testing.T) {
	accepted := []string{"ssh-ed25519", "rsa-sha2-256", "rsa-sha2-512", "rsa-sha2-512-cert-v01@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com"}
	for _, c := range []struct {
		format   string
		accepted []string
		want     []string
	}{
		{"ssh-rsa", nil, []string{"rsa-sha2-512", "rsa-sha2-256"}},
		{"ssh-rsa", accepted, []string{"rsa-sha2-256", "rsa-sha2-512"}},
		{"ssh-rsa", []string{"ssh-rsa"}, []string{"ssh-rsa"}},
		{"ssh-rsa", []string{"ssh-ed25519"}, nil},
		{"ssh-rsa-cert-v01@openssh.com", accepted, []string{"rsa-sha2-512"}},
		{"ssh-ed25519", accepted, []string{"ssh-ed25519"}},
		{"ssh-ed25519-cert-v01@openssh.com", accepted, nil},
		{"ssh-ed25519-cert-v01@openssh.com", nil, []string{"ssh-ed25519"}},
		{"sk-ssh-ed25519-cert-v01@openssh.com", accepted, []string{"sk-ssh-ed25519@openssh.com"}},
		{"sk-ssh-ed25519@openssh.com", accepted, nil},
	} {
		if got := signatureAlgorithms(c.format, c.accepted); !slices.Equal(got, c.want) {
			t.Errorf("%s with %q: %q, want %q", c.format, c.accepted, got, c.want)
		}
	}
}

func FuzzParsePrivate(f *testing.F) {
	dir := f.TempDir()
	for i, args := range [][]string{
		{"-t", "ed25519", "-N", ""}, {"-t", "ed25519", "-N", passphrase}, {"-t", "rsa", "-b", "1024", "-N", ""},
		{"-t", "ecdsa", "-m", "PEM", "-N", passphrase}, {"-t", "ecdsa", "-m", "PKCS8", "-N", ""},
	} {
		path := filepath.Join(dir, string(rune('a'+i)))
		keygen(f, dir, append(args, "-f", path)...)
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parsePublic(data)
		if c, err := parseContainer(data); err == nil {
			if c.KDF != "none" {
				return // the work would be the file's choice
			}
			ssh.ParsePublicKey(c.Public)
		}
		if b := privateBlock(data); b != nil && b.Type == "ENCRYPTED PRIVATE KEY" {
			decryptPKCS8(b.Bytes, nil)
			return
		}
		parsePrivate(data, nil)
	})
}
