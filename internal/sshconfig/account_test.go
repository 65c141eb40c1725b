package sshconfig

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// account is what testdata/oracle.c makes ssh see, and our Env.
type account struct {
	library string
}

// TestAccountsAgreeWithSSH puts the scenarios of testdata/account to both: the
// user's own file and the system's, and names that resolve. Their first file is
// the user's; "env NAMES=…" gives the name service.
func TestAccountsAgreeWithSSH(t *testing.T) {
	requireSSH(t)
	a := newAccount(t)
	names, err := filepath.Glob("testdata/account/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, name := range names {
		for _, s := range readScenarios(t, name) {
			s.files[0].name = "home/.ssh/config"
			s.account = a
			t.Run(strings.ReplaceAll(s.name, " ", "_"), func(t *testing.T) {
				if diff := s.compare(t); diff != "" {
					t.Errorf("%s\n%s", diff, s.text())
				}
			})
		}
	}
}

// newAccount compiles the library.
func newAccount(t *testing.T) *account {
	t.Helper()
	library := filepath.Join(t.TempDir(), "oracle.so")
	out, err := exec.Command("cc", "-shared", "-fPIC", "-o", library, "testdata/oracle.c", "-ldl").CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatal("this test needs a C compiler (Debian package gcc)")
	}
	if err != nil {
		t.Fatalf("compile testdata/oracle.c: %v\n%s", err, out)
	}
	return &account{library: library}
}

// accountHost is the machine's name.
const accountHost = "machine.example.org"

// environ is what the library reads.
func (a *account) environ(s *scenario, dir string) []string {
	return []string{
		"LD_PRELOAD=" + a.library, "ORACLE_HOME=" + filepath.Join(dir, "home"), "ORACLE_HOST=" + accountHost,
		"ORACLE_SYSTEM=" + filepath.Join(dir, "system"), "ORACLE_NAMES=" + s.variable("NAMES"),
	}
}

// variable is a scenario's environment variable.
func (s *scenario) variable(name string) string {
	for _, kv := range s.env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// errNoName is what the name service says of other names.
var errNoName = fatalf("Name or service not known")

// fill gives an Env the same account.
func (a *account) fill(e *Env, s *scenario, dir string) {
	e.Home, e.LocalHost = filepath.Join(dir, "home"), accountHost
	e.SystemFile = filepath.Join(dir, "system")
	e.LocalUser, e.UID = "root", os.Getuid()
	names := make(map[string]string)
	for entry := range strings.FieldsSeq(s.variable("NAMES")) {
		name, canonical, _ := strings.Cut(entry, "=")
		names[name] = canonical
	}
	e.LookupHost = func(_ context.Context, _, name string) (string, error) {
		canonical, ok := names[strings.TrimSuffix(name, ".")]
		if !ok {
			return "", errNoName
		}
		return canonical, nil
	}
}
