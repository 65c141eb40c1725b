package sshtest

import (
	"os"
	"syscall"
	"testing"
)

// WriteProgram writes a program that can be started at once, by everybody who
// reaches it. After os.WriteFile the start may fail with "text file busy": a
// process that another test starts meanwhile has our open file until it runs its
// own program.
func WriteProgram(t testing.TB, path, text string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	err := os.WriteFile(path, []byte(text), 0o755)
	if err == nil {
		err = os.Chmod(path, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}
