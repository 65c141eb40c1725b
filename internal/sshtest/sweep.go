package sshtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	accountPrefix = "sally-"
	servicePrefix = "/etc/pam.d/sally-test-"
)

// ownerMark names the test process that something outside its directories
// belongs to.
func ownerMark(pid int) string { return fmt.Sprintf("sshtest %d", pid) }

// isOrphan says whether text ends in the mark of a process that has ended.
func isOrphan(text string) bool {
	var pid int
	i := strings.LastIndex(text, "sshtest ")
	if i < 0 {
		return false
	}
	if _, err := fmt.Sscanf(text[i:], "sshtest %d", &pid); err != nil {
		return false
	}
	return !isAlive(pid)
}

// sweep removes the accounts and PAM services of test processes that were
// killed before they could do so.
func sweep(t testing.TB) {
	t.Helper()
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(passwd)) {
		// passwd(5): name:password:uid:gid:comment:home:shell
		f := strings.Split(line, ":")
		if len(f) == 7 && strings.HasPrefix(f[0], accountPrefix) && isOrphan(f[4]) {
			editAccounts("", "userdel", "--force", f[0]) // another process may do it too
		}
	}
	services, _ := filepath.Glob(servicePrefix + "*")
	for _, file := range services {
		rules, err := os.ReadFile(file)
		if first, _, _ := strings.Cut(string(rules), "\n"); err == nil && isOrphan(first) {
			os.Remove(file)
		}
	}
}
