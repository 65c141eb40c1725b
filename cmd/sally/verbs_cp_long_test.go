//go:build long

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// beside is one way of copying: a command that is timed.
type beside struct {
	name string
	cmd  func() *exec.Cmd
}

// fromEnv is a number from the environment.
func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// TestCopyBeside copies many small files and one large one through two jumps,
// there and back, with sally, scp and rsync in turn, all of them with logins of
// their own, and logs the times (docs/copying.md). COPY_FILES and COPY_MB say
// how many and how large.
func TestCopyBeside(t *testing.T) {
	sshtest.Require(t, "scp", "rsync")
	c := twoJumps(t)
	u := newUser(t, c)
	dir := t.TempDir()
	files, megabytes := fromEnv("COPY_FILES", 2000), fromEnv("COPY_MB", 128)
	smallTree(t, filepath.Join(dir, "small"), files)
	noiseFile(t, filepath.Join(dir, "large"), int64(megabytes)<<20)
	for _, what := range []string{"small", "large"} {
		for _, up := range []bool{true, false} {
			from, to := filepath.Join(dir, what), "target:"+filepath.Join(dir, "copy")
			way := what + " there"
			if !up {
				from, to, way = "target:"+from, filepath.Join(dir, "copy"), what+" back"
			}
			ssh := "ssh -F " + c.ConfigFile()
			ways := []beside{
				{"sally", func() *exec.Cmd { return u.cmd("cp", "-rq", from, to) }},
				{"scp", func() *exec.Cmd { return exec.Command("scp", "-rpqF", c.ConfigFile(), from, to) }},
				{"rsync", func() *exec.Cmd {
					if what == "small" {
						from += "/"
					}
					return exec.Command("rsync", "-a", "-e", ssh, from, to)
				}},
			}
			times := map[string]time.Duration{}
			for _, w := range ways {
				u.must("down", "--all")
				os.RemoveAll(filepath.Join(dir, "copy"))
				cmd := w.cmd()
				start := time.Now()
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s %s: %v: %s", w.name, way, err, out)
				}
				times[w.name] = time.Since(start)
				if what == "small" {
					sameTree(t, filepath.Join(dir, what), filepath.Join(dir, "copy"))
				} else if out, err := exec.Command("cmp", filepath.Join(dir, what), filepath.Join(dir, "copy")).CombinedOutput(); err != nil {
					t.Errorf("%s %s: %v: %s", w.name, way, err, out)
				}
			}
			rate := ""
			if what == "large" {
				rate = fmt.Sprintf(", %.0f MB/s", float64(megabytes)*1.048576/times["sally"].Seconds())
			}
			t.Logf("%s: sally %v%s, scp %v (× %.2f), rsync %v (× %.2f)", way, times["sally"].Round(10*time.Millisecond), rate,
				times["scp"].Round(10*time.Millisecond), times["scp"].Seconds()/times["sally"].Seconds(),
				times["rsync"].Round(10*time.Millisecond), times["rsync"].Seconds()/times["sally"].Seconds())
		}
	}
}
