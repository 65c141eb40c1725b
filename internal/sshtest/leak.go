package sshtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakGrace is how long what is ending may take to have ended.
const leakGrace = 5 * time.Second

// LeakCheck fails the test when, at its end, there are goroutines, open
// descriptors or child processes that were not there at the call. Call it
// first, so that the test's own clean-up comes before the check. It is not for
// tests that run in parallel with others, and does not see processes that
// detached themselves: those are found by ProcessesWith.
func LeakCheck(t testing.TB) {
	t.Helper()
	leakCheck(t, leakGrace)
}

func leakCheck(t testing.TB, grace time.Duration) {
	t.Helper()
	goroutines := goleak.IgnoreCurrent()
	files := descriptors()
	children := descendants(os.Getpid())
	t.Cleanup(func() {
		if t.Failed() {
			return // what failed has no duty to clean up
		}
		var newFiles []string
		var newChildren []int
		poll(grace, func() bool {
			newFiles = added(files, descriptors())
			newChildren = without(descendants(os.Getpid()), children)
			return len(newFiles)+len(newChildren) == 0
		})
		if len(newFiles) > 0 {
			t.Errorf("descriptors left open:\n%s", strings.Join(newFiles, "\n"))
		}
		for _, pid := range newChildren {
			t.Errorf("process left: %v", Process{pid, commandLine(pid)})
		}
		if err := goleak.Find(goroutines); err != nil {
			t.Error(err)
		}
	})
}

// descriptors maps our open descriptors to what they refer to. The runtime's
// own are left out: they appear with the first use of the network.
func descriptors() map[string]string {
	open := make(map[string]string)
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err != nil || to == "anon_inode:[eventpoll]" || to == "anon_inode:[eventfd]" {
			continue // the first is the directory's own
		}
		open[e.Name()] = to
	}
	return open
}

func added(before, now map[string]string) []string {
	var list []string
	for fd, to := range now {
		if before[fd] != to {
			list = append(list, fmt.Sprintf("  %s -> %s", fd, to))
		}
	}
	slices.Sort(list)
	return list
}

func without(all, known []int) []int {
	return slices.DeleteFunc(all, func(pid int) bool { return slices.Contains(known, pid) })
}
