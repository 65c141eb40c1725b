package main_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestVersion builds as "make build" does and reads what the program says.
func TestVersion(t *testing.T) {
	t.Parallel()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	stamped := filepath.Join(t.TempDir(), "sally")
	out, err := exec.Command("go", "build", "-o", stamped, "-ldflags",
		"-X main.version=1.2.3 -X main.commit="+commit+" -X main.date=2026-01-02T03:04:05Z", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := func(args ...string) string {
		out, err := exec.Command(stamped, args...).Output()
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		return string(out)
	}
	if got, want := run("version"), "sally 1.2.3 (commit 0123456789ab, 2026-01-02)\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := run("--version"), "sally 1.2.3\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var r struct {
		Version, Commit, Date, Go, Platform string
		Speaks                              struct {
			SSH          string
			Mux, Control int
		}
		Daemon bool
	}
	if err := json.Unmarshal([]byte(run("version", "--json")), &r); err != nil {
		t.Fatal(err)
	}
	if r.Version != "1.2.3" || r.Commit != commit || r.Date != "2026-01-02T03:04:05Z" || r.Go != runtime.Version() ||
		r.Platform != runtime.GOOS+"/"+runtime.GOARCH || r.Speaks.SSH != "2.0" || r.Speaks.Mux != 4 || r.Speaks.Control < 1 || !r.Daemon {
		t.Errorf("%+v", r)
	}
	if out, err := exec.Command(program, "version").Output(); err != nil || !strings.HasPrefix(string(out), "sally ") {
		t.Errorf("%q: %v", out, err)
	}
}
