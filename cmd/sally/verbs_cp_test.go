package main_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sallyport/internal/sshtest"
)

// noiseFile writes n bytes that hold no run of zeros, and returns their sum.
func noiseFile(t testing.TB, path string, n int64) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), rand.NewChaCha8([32]byte{1}), n); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func sumFile(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// smallTree makes n files in some directories.
func smallTree(t testing.TB, dir string, n int) {
	t.Helper()
	for i := range n {
		sub := filepath.Join(dir, fmt.Sprint("d", i%10))
		if i < 10 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprint("f", i)), []byte(strings.Repeat(fmt.Sprint("file ", i, "\n"), i%100)), 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

// sameTree fails unless two directories have the same names and contents.
func sameTree(t testing.TB, a, b string) {
	t.Helper()
	out, err := exec.Command("diff", "-r", a, b).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v: %.500s", err, out)
	}
}

// TestCopy copies up, down and between two targets behind the same two jumps,
// with one login each.
func TestCopy(t *testing.T) {
	t.Parallel()
	c := twoTargets(t)
	u := newUser(t, c)
	dir := t.TempDir()
	smallTree(t, filepath.Join(dir, "tree"), 200)
	noiseFile(t, filepath.Join(dir, "tree", "big -file"), 9<<20)
	if out := u.must("cp", "-r", filepath.Join(dir, "tree"), "target1:"+dir+"/up"); !strings.HasPrefix(out, "201 files copied: ") {
		t.Errorf("%q", out)
	}
	u.must("cp", "-r", "target1:"+dir+"/up", filepath.Join(dir, "down"))
	u.must("cp", "-r", "--checksum", "target1:"+dir+"/up", "target2:"+dir+"/between")
	for _, name := range []string{"up", "down", "between"} {
		sameTree(t, filepath.Join(dir, "tree"), filepath.Join(dir, name))
	}
	if out := u.must("cp", "-rc", filepath.Join(dir, "tree")+"/.", "target2:"+dir+"/between"); !strings.HasPrefix(out, "0 files copied, 201 there already: ") {
		t.Errorf("%q", out)
	}
	wantOneLogin(t, c, "jump1", "jump2", "target1", "target2")

	r := u.sally("cp", "-r", "--json", filepath.Join(dir, "tree", "d1"), filepath.Join(dir, "missing"), "target1:"+dir+"/json/")
	if r.code != 1 || !strings.Contains(r.err, "existing directory") {
		t.Errorf("%+v", r)
	}
	r = u.sally("cp", "--json", filepath.Join(dir, "tree", "d1", "f1"), filepath.Join(dir, "missing"), "target1:"+dir)
	var last map[string]any
	for line := range strings.Lines(r.out) {
		last = nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
	if r.code != 1 || last["event"] != "summary" || last["files"] != 1.0 || last["failed"] != 1.0 || last["complete"] != false {
		t.Errorf("%+v %v", r, last)
	}
	for _, words := range [][]string{{"cp", "a"}, {"cp", "a", "b"}, {"cp", "target1:~other/x", "."}, {"cp", "-h:x", "."}} {
		if r := u.sally(words...); r.code != 2 || r.err == "" {
			t.Errorf("%q: %+v", words, r)
		}
	}
}

// TestCopyResumes kills a copy half way, in both directions, and goes on.
func TestCopyResumes(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	dir := t.TempDir()
	const size = 96 << 20
	sum := noiseFile(t, filepath.Join(dir, "big"), size)
	for _, operands := range [][2]string{{filepath.Join(dir, "big"), "target:" + dir + "/copy1"}, {"target:" + dir + "/big", filepath.Join(dir, "copy2")}} {
		to := filepath.Join(dir, filepath.Base(operands[1]))
		first := u.start("cp", operands[0], operands[1])
		await(t, "half of it", func() bool {
			parts, _ := filepath.Glob(filepath.Join(dir, "."+filepath.Base(to)+".sally-part-*"))
			if len(parts) == 0 {
				return false
			}
			info, err := os.Stat(parts[0])
			return err == nil && info.Size() > size/4
		})
		first.cmd.Process.Signal(syscall.SIGKILL)
		<-first.done
		if _, err := os.Stat(to); err == nil {
			t.Fatalf("%s was whole before it was killed", to)
		}
		out := u.must("cp", "-c", operands[0], operands[1])
		if !strings.Contains(out, "1 file copied: ") || !strings.Contains(out, " were there") {
			t.Errorf("%q", out)
		}
		if got := sumFile(t, to); got != sum {
			t.Errorf("%s differs", to)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".*sally-part*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}

// TestCopyInterrupted ends with a signal, and leaves what is worth going on
// with.
func TestCopyInterrupted(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	dir := t.TempDir()
	noiseFile(t, filepath.Join(dir, "big"), 96<<20)
	l := u.start("cp", filepath.Join(dir, "big"), "target:"+dir+"/copy")
	await(t, "a part", func() bool {
		parts, _ := filepath.Glob(filepath.Join(dir, ".copy.sally-part-*"))
		if len(parts) == 0 {
			return false
		}
		info, err := os.Stat(parts[0])
		return err == nil && info.Size() > 4<<20
	})
	l.cmd.Process.Signal(syscall.SIGINT)
	if code := l.wait(soon); code != 130 || !strings.Contains(l.err.String(), "an incomplete file stays at ") {
		t.Errorf("exit code %d, stderr %q", code, l.err)
	}
}

// TestCopyDiskFull fills the target's disk: the error says so and where, and
// nothing is left there.
func TestCopyDiskFull(t *testing.T) {
	t.Parallel()
	sshtest.RequireRoot(t, "mount")
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, 0) })
	noiseFile(t, filepath.Join(dir, "big"), 32<<20)
	for _, to := range []string{"target:" + disk, disk} {
		from := filepath.Join(dir, "big")
		if to == disk {
			from = "target:" + from
		}
		r := u.sally("cp", from, to)
		if r.code != 1 || !strings.Contains(r.err, "no space left") || !strings.Contains(r.err, disk) || !strings.Contains(r.err, "is removed") {
			t.Errorf("%+v", r)
		}
		if left, _ := os.ReadDir(disk); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	if r := u.sally("cp", "-c", filepath.Join(dir, "big"), "target:"+disk); r.code != 1 || !strings.Contains(r.err, "an incomplete file stays at ") {
		t.Errorf("%+v", r)
	}
}

// TestCopyProgress draws on a terminal and takes it away again.
func TestCopyProgress(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target"})
	u := newUser(t, c)
	dir := t.TempDir()
	noiseFile(t, filepath.Join(dir, "large"), 96<<20)
	con := u.tty("cp", filepath.Join(dir, "large"), "target:"+dir+"/copy")
	con.Expect("of 100.7 MB", soon)
	con.Expect("1 file copied: 100.7 MB", soon)
	if code := con.Wait(soon); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestCopyWithoutSFTP is a server without the subsystem.
func TestCopyWithoutSFTP(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "target", ExtraConfig: []string{"ForceCommand echo no copies here; false"}})
	r := newUser(t, c).sally("cp", "target:x", t.TempDir())
	if r.code != 1 || !strings.Contains(r.err, "no copies here") {
		t.Errorf("%+v", r)
	}
}

// TestCopyCompletion offers paths on a host that is connected, and connects to
// none.
func TestCopyCompletion(t *testing.T) {
	t.Parallel()
	c := twoTargets(t)
	u := newUser(t, c)
	dir := t.TempDir()
	smallTree(t, filepath.Join(dir, "tree"), 20)
	os.WriteFile(filepath.Join(dir, "tree", "bad\nname"), nil, 0o600)
	if out := u.sally("__completeNoDesc", "cp", "target1:"+dir+"/tr").out; strings.Contains(out, "tree") {
		t.Errorf("before it is connected: %q", out)
	}
	if n := c.Host("jump1").Connections(); n != 0 {
		t.Errorf("%d connections", n)
	}
	u.must("up", "target1")
	for word, want := range map[string]string{
		"target1:" + dir + "/tr":       "target1:" + dir + "/tree/\n",
		"target1:" + dir + "/tree/d1/": "target1:" + dir + "/tree/d1/f1\ntarget1:" + dir + "/tree/d1/f11\n",
		"target1:" + dir + "/tree/b":   "",
		"targ":                         "target1:\ntarget2:\n",
	} {
		r := u.sally("__completeNoDesc", "cp", word)
		if got, _, _ := strings.Cut(r.out, ":6\n"); strings.HasSuffix(word, "1/") && sorted(got) != want || !strings.HasSuffix(word, "1/") && !strings.HasPrefix(r.out, want+":") {
			t.Errorf("%q: %q, want %q", word, r.out, want)
		}
	}
	wantOneLogin(t, c, "jump1", "jump2", "target1")
}

func sorted(lines string) string {
	all := strings.SplitAfter(lines, "\n")
	slices.Sort(all)
	return strings.Join(all, "")
}
