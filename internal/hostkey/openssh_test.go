package hostkey

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// needOpenSSH ends a test where the oracle is not installed, and returns the
// path of sshd.
func needOpenSSH(t testing.TB) (sshd string) {
	t.Helper()
	for _, name := range []string{"ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatal(name + " is not installed (Debian package openssh-client)")
		}
	}
	for _, sshd = range []string{"/usr/sbin/sshd", "/usr/bin/sshd"} {
		if _, err := os.Stat(sshd); err == nil {
			return sshd
		}
	}
	t.Fatal("sshd is not installed (Debian package openssh-server)")
	return ""
}

// keygen runs ssh-keygen and returns its output and whether it succeeded.
func keygen(t testing.TB, args ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ssh-keygen", args...).CombinedOutput()
	return string(out), err == nil
}

func mustKeygen(t testing.TB, args ...string) string {
	t.Helper()
	out, ok := keygen(t, args...)
	if !ok {
		t.Fatalf("ssh-keygen %q: %s", args, out)
	}
	return out
}

// keyDir holds key pairs, made once for all tests: NAME and NAME.pub.
var keyDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "hostkey")
	if err != nil {
		panic(err)
	}
	for name, typ := range map[string][]string{
		"ed": {"ed25519"}, "ed2": {"ed25519"}, "ed3": {"ed25519"}, "ca": {"ed25519"}, "ca2": {"ecdsa"},
		"ec": {"ecdsa", "-b", "256"}, "ec384": {"ecdsa", "-b", "384"}, "ec521": {"ecdsa", "-b", "521"},
		"rsa": {"rsa", "-b", "2048"}, "rsa1024": {"rsa", "-b", "1024"}, "rsa3": {"rsa", "-b", "3072"},
	} {
		args := append([]string{"-q", "-N", "", "-C", name, "-f", filepath.Join(dir, name), "-t"}, typ...)
		if out, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
			panic(fmt.Sprintf("ssh-keygen %q: %s", args, out))
		}
	}
	return dir
})

func TestMain(m *testing.M) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		fmt.Fprintln(os.Stderr, "ssh-keygen, which makes the keys for these tests, is not installed")
		os.Exit(0)
	}
	code := m.Run()
	os.RemoveAll(keyDir())
	os.Exit(code)
}

// pub reads the public key of one of keyDir's pairs, or of any path.
func pub(t testing.TB, name string) ssh.PublicKey {
	t.Helper()
	text, err := os.ReadFile(pubFile(name))
	if err != nil {
		t.Fatal(err)
	}
	key, err := parseKeyText(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatalf("parse %s: %v", name, err)
	}
	return key
}

func pubFile(name string) string {
	if !filepath.IsAbs(name) {
		name = filepath.Join(keyDir(), name)
	}
	return name + ".pub"
}

// keyText is a key as known_hosts holds it.
func keyText(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(pubFile(name))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text))
	return fields[0] + " " + fields[1]
}

// certify signs a copy of the key name as a host and returns the path of the
// pair, whose certificate lies in -cert.pub.
func certify(t testing.TB, ca, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	copyFile(t, filepath.Join(keyDir(), name), path)
	copyFile(t, filepath.Join(keyDir(), name+".pub"), path+".pub")
	args = append([]string{"-q", "-s", filepath.Join(keyDir(), ca), "-I", "id of " + name}, args...)
	mustKeygen(t, append(args, path+".pub")...)
	return path
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func writeFile(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sshdFor writes an sshd's configuration for one host key and returns the
// ProxyCommand that runs it.
func sshdFor(t testing.TB, key string, cert bool, extra ...string) string {
	t.Helper()
	sshd := needOpenSSH(t)
	if !filepath.IsAbs(key) {
		key = filepath.Join(keyDir(), key)
	}
	conf := append([]string{
		"UsePAM no", "StrictModes no", "PidFile none", "HostKeyAlgorithms *", "RequiredRSASize 1024",
		"CASignatureAlgorithms *", "HostKey " + key,
	}, extra...)
	if cert {
		conf = append(conf, "HostCertificate "+key+"-cert.pub")
	}
	path := writeFile(t, filepath.Join(t.TempDir(), "sshd_config"), strings.Join(conf, "\n")+"\n")
	return sshd + " -i -e -f " + path + " 2>/dev/null"
}

// runSSH runs the stock client and returns its standard error.
func runSSH(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	args = append([]string{"-F", "none", "-oKexAlgorithms=curve25519-sha256", "-oBatchMode=yes"}, args...)
	cmd := exec.CommandContext(ctx, "ssh", args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	cmd.Run() // its status says less than its messages
	return errs.String()
}
