package sshtest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestWriteProgram starts programs as soon as they are written, beside others
// that do the same.
func TestWriteProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for writer := range 8 {
		t.Run(fmt.Sprint(writer), func(t *testing.T) {
			t.Parallel()
			for i := range 50 {
				path := filepath.Join(dir, fmt.Sprint(writer, "-", i))
				WriteProgram(t, path, "#!/bin/sh\n")
				if err := exec.Command(path).Run(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
