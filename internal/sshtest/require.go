package sshtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// packages are the Debian packages of programs that are not named like theirs.
var packages = map[string]string{
	"ab":               "apache2-utils",
	"ansible-playbook": "ansible",
	"chpasswd":         "passwd",
	"dropbear":         "dropbear-bin",
	"dbclient":         "dropbear-bin",
	"gcc":              "gcc",
	"ip":               "iproute2",
	"pam_oath.so":      "libpam-oath",
	"psql":             "postgresql-client",
	"scp":              "openssh-client",
	"sftp":             "openssh-client",
	"ssh":              "openssh-client",
	"ssh-add":          "openssh-client",
	"ssh-agent":        "openssh-client",
	"ssh-keygen":       "openssh-client",
	"sshd":             "openssh-server",
	"tinysshd":         "tinysshd",
	"useradd":          "passwd",
	"userdel":          "passwd",
	"xdpyinfo":         "x11-utils",
	"Xvfb":             "xvfb",
}

// Require ends the test when one of the programs is not installed, and says
// which Debian packages to install. A name ending in ".so" is a PAM module.
func Require(t testing.TB, programs ...string) {
	t.Helper()
	var missing, install []string
	for _, p := range programs {
		if _, ok := find(p); !ok {
			missing = append(missing, p)
			install = append(install, packageOf(p))
		}
	}
	if len(missing) > 0 {
		t.Fatalf("missing: %s; install with: apt-get install %s",
			strings.Join(missing, ", "), strings.Join(install, " "))
	}
}

// Path is the absolute path of a program, which Require must find.
func Path(t testing.TB, program string) string {
	t.Helper()
	Require(t, program)
	p, _ := find(program)
	return p
}

func packageOf(program string) string {
	if p, ok := packages[program]; ok {
		return p
	}
	return program
}

// find looks in PATH and in the directories for administrators' programs,
// which PATH may lack.
func find(program string) (string, bool) {
	if strings.HasSuffix(program, ".so") {
		return findIn(program, "/lib/security", "/lib/*/security", "/usr/lib/security", "/usr/lib64/security", "/usr/lib/*/security")
	}
	if p, err := exec.LookPath(program); err == nil && filepath.IsAbs(p) {
		return p, true
	}
	return findIn(program, "/usr/local/sbin", "/usr/sbin", "/sbin")
}

func findIn(name string, dirs ...string) (string, bool) {
	for _, d := range dirs {
		if found, _ := filepath.Glob(filepath.Join(d, name)); len(found) > 0 {
			return found[0], true
		}
	}
	return "", false
}

// RequireRoot ends the test when it does not run as root; what says what for,
// as in "a temporary account". The test fails, unless the environment has
// SALLY_TEST_UNPRIVILEGED=1: then it is skipped.
func RequireRoot(t testing.TB, what string) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	why := fmt.Sprintf("%s needs root", what)
	if os.Getenv("SALLY_TEST_UNPRIVILEGED") == "1" {
		t.Skip(why)
	}
	t.Fatalf("%s: run the tests as root, or set SALLY_TEST_UNPRIVILEGED=1 to skip those that need it", why)
}
