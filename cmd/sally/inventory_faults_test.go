package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// TestAddAtOnce: of many that add hosts at the same time none is lost.
func TestAddAtOnce(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "Host *\n  User me\n")
	const n = 12
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if r := u.sally("add", fmt.Sprintf("h%d", i), "--host", "10.0.0.1"); r.code != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
	all.Wait()
	if hosts := u.must("ls"); strings.Count(hosts, "\n") != n {
		t.Errorf("%s", hosts)
	}
	if got := readFile(t, u.config); strings.Count(got, "Include") != 1 {
		t.Errorf("%s", got)
	}
}

// TestEditKilled: whenever an edit is killed, the file is the old one or the new
// one, and the next edit clears what was left.
func TestEditKilled(t *testing.T) {
	t.Parallel()
	filler := strings.Repeat("# a line that must not be lost\n", 100_000)
	u := newConfigured(t, "Host a\n  Port 1\n"+filler)
	port := 1
	for i := range 30 {
		c := u.cmd("edit", "a", "--port", fmt.Sprint(1000+i))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(i*4)*time.Millisecond, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		switch got := readFile(t, u.config); got {
		case fmt.Sprintf("Host a\n  Port %d\n", port) + filler:
		case fmt.Sprintf("Host a\n  Port %d\n", 1000+i) + filler:
			port = 1000 + i
		default:
			t.Fatalf("%d: the file is %d bytes: %.80q", i, len(got), got)
		}
	}
	u.must("edit", "a", "--port", "9")
	if left, _ := filepath.Glob(filepath.Dir(u.config) + "/.*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestEditWithoutRoom: on a full file system, beyond a limit on the size of
// files, and where nothing may be written, the file stays as it was.
func TestEditWithoutRoom(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "unshare", "mount")
	dir := t.TempDir()
	for name, prepare := range map[string]string{
		"no space left":          `dd if=/dev/zero of="$1/full" bs=1k 2>/dev/null`,
		"file too large":         `ulimit -f 8`,
		"read-only file system":  `mount -o remount,ro "$1"`,
		"somebody else's config": `mkdir "$1/dir"; ln "$1/config" "$1/other"`,
	} {
		script := `mount -t tmpfs -o size=64k,mode=700 tmpfs "$1" || exit 9
{ echo "Host a"; for i in 1 2 3 4 5 6 7 8; do head -c 1000 /dev/zero | tr '\0' '#'; echo; done; } > "$1/config"
chmod 640 "$1/config"
sum=$(cksum < "$1/config"); ` + prepare + `
XDG_RUNTIME_DIR="$1" "$2" -F "$1/config" edit a --port 3 && exit 8
[ "$sum" = "$(cksum < "$1/config")" ] || exit 7
ls -A "$1" | grep '^[.]config' && exit 6
exit 0`
		out, err := exec.Command("unshare", "-rm", "sh", "-c", script, "sh", dir, program).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if want := name; name != "somebody else's config" && !strings.Contains(string(out), want) {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// TestEditKeepsWhatTheFileIs: a symbolic link stays one, and mode and owner are
// as they were.
func TestEditKeepsWhatTheFileIs(t *testing.T) {
	t.Parallel()
	u := newConfigured(t, "")
	real := filepath.Join(t.TempDir(), "dotfile")
	writeFile(t, real, "Host a\n")
	if err := os.Chmod(real, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, u.config); err != nil {
		t.Fatal(err)
	}
	u.must("edit", "a", "--port", "3")
	u.must("add", "b", "--host", "10.0.0.1")
	if info, err := os.Lstat(u.config); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v %v", info, err)
	}
	if info, err := os.Stat(real); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if got := readFile(t, real); !strings.HasSuffix(got, "\nHost a\n    Port 3\n") || !strings.HasPrefix(got, "Include ") {
		t.Errorf("%q", got)
	}
	if err := os.Remove(real); err != nil {
		t.Fatal(err)
	}
	if r := u.sally("add", "c", "--host", "10.0.0.1"); r.code != 1 || !strings.Contains(r.err, "link to a file that does not exist") {
		t.Errorf("%+v", r)
	}
}
