package identity

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

var willAttempt = regexp.MustCompile(`(?m)^debug1: Will attempt key: (.*?) ?\r?$`)

// sshOrder is what ssh says it will offer with the same configuration.
func sshOrder(t *testing.T, srv *server, cfg Config) []string {
	t.Helper()
	args := []string{
		"-v", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "ProxyCommand=/usr/sbin/sshd -i -f " + srv.config,
		"-o", "SecurityKeyProvider=" + cmp.Or(cfg.SecurityKeyProvider, "none"),
	}
	for _, f := range cfg.Files {
		args = append(args, "-o", "IdentityFile="+f)
	}
	for _, f := range cfg.CertificateFiles {
		args = append(args, "-o", "CertificateFile="+f)
	}
	if cfg.IdentitiesOnly {
		args = append(args, "-o", "IdentitiesOnly=yes")
	}
	for i, a := range cfg.AcceptedAlgorithms {
		if i == 0 {
			args = append(args, "-o", "PubkeyAcceptedAlgorithms="+a)
		} else {
			args[len(args)-1] += "," + a
		}
	}
	cmd := exec.Command("ssh", append(args, "root@test", "true")...)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+cfg.Agent)
	out, err := cmd.CombinedOutput()
	var order []string
	for _, m := range willAttempt.FindAllSubmatch(out, -1) {
		// Without a public half ssh leaves two spaces.
		order = append(order, strings.ReplaceAll(string(m[1]), "  ", " "))
	}
	if len(order) == 0 {
		t.Fatalf("ssh offers nothing: %v\n%s", err, out)
	}
	return order
}

// The order of offering, and how an identity is described, are ssh's.
func TestOrderIsThatOfSSH(t *testing.T) {
	dir := t.TempDir()
	ca := newKey(t, dir, "ca", "ed25519")
	keys := make(map[string]string)
	for name, kind := range map[string]string{"a": "ed25519", "b": "ecdsa", "c": "rsa", "d": "ed25519", "e": "ed25519", "pem": "ecdsa"} {
		keys[name] = newKey(t, dir, name, kind)
	}
	for _, name := range []string{"b", "c", "d"} {
		certify(t, ca, keys[name])
	}
	keygen(t, dir, "-p", "-m", "PEM", "-N", "", "-f", keys["pem"])
	if err := os.Remove(keys["pem"] + ".pub"); err != nil {
		t.Fatal(err)
	}
	alone := filepath.Join(dir, "alone.pub")
	if err := os.Rename(keys["d"]+"-cert.pub", alone); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(keys["a"] + ".pub"); err != nil {
		t.Fatal(err)
	}
	sk := filepath.Join(dir, "sk")
	run(t, dir, []string{"SSH_SK_PROVIDER=" + dummyProvider}, "ssh-keygen", "-q", "-t", "ed25519-sk", "-N", "", "-f", sk)
	socket := startAgent(t)
	sshAdd(t, socket, "-q", keys["e"], keys["b"], keys["a"])
	// Before 10.x, ssh does not put the agent's certificates first.
	noCerts := startAgent(t)
	sshAdd(t, noCerts, "-q", "-k", keys["e"], keys["b"], keys["a"])
	srv := newServer(t, "")
	files := func(names ...string) (out []string) {
		for _, n := range names {
			out = append(out, filepath.Join(dir, n))
		}
		return out
	}
	for name, cfg := range map[string]Config{
		"files":             {Files: files("c", "a", "pem", "b", "e", "missing")},
		"files and agent":   {Files: files("c", "a", "pem", "b"), Agent: socket},
		"only":              {Files: files("c", "a", "b.pub"), Agent: socket, IdentitiesOnly: true},
		"agent":             {Files: files("c"), Agent: noCerts},
		"certificate":       {Files: files("d", "b"), CertificateFiles: []string{alone, keys["c"] + "-cert.pub"}, Agent: noCerts},
		"not a certificate": {Files: files("e"), CertificateFiles: []string{alone, keys["c"] + ".pub", keys["a"], "/missing"}},
		"accepted":          {Files: files("c", "a", "b"), Agent: socket, AcceptedAlgorithms: []string{"rsa-sha2-256-cert-v01@openssh.com", "ssh-ed25519"}},
		"security key":      {Files: files("a", "sk"), SecurityKeyProvider: "internal"},
		"no provider":       {Files: files("a", "sk"), SecurityKeyProvider: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.FilesSet = true
			want := sshOrder(t, srv, cfg)
			var got []string
			for _, id := range open(t, cfg, nil).Identities() {
				got = append(got, id.String())
			}
			if !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// Certificates that the user did not name come first, those of security keys
// by what they ask of the person (OpenSSH 10.x).
func TestPriority(t *testing.T) {
	dir := t.TempDir()
	ca := newKey(t, dir, "ca", "ed25519")
	cert := func(name string, option ...string) ssh.PublicKey {
		path := filepath.Join(dir, name)
		run(t, dir, []string{"SSH_SK_PROVIDER=" + dummyProvider}, "ssh-keygen", "-q", "-t", "ed25519-sk", "-N", "", "-f", path)
		p, err := loadPublic(certify(t, ca, path, option...))
		if err != nil {
			t.Fatal(err)
		}
		return p.key
	}
	plainKey, err := loadPublic(newKey(t, dir, "plain", "ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	ids := []*Identity{
		{path: "plain", pub: plainKey.key},
		{path: "named", pub: plainKey.key, explicit: true},
		{path: "pin", pub: cert("pin", "-O", "verify-required")},
		{path: "unknown"},
		{path: "touch", pub: cert("touch")},
		{path: "notouch", pub: cert("notouch", "-O", "no-touch-required")},
	}
	sortByPriority(ids)
	var got []string
	for _, id := range ids {
		got = append(got, id.path)
	}
	if want := []string{"notouch", "named", "touch", "pin", "plain", "unknown"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
