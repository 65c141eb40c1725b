package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// TestResumeCommand runs it with some of the programs there, as a shell of the
// target would.
func TestResumeCommand(t *testing.T) {
	for _, tc := range []struct {
		with, there, want string
		code              int
	}{
		{"tmux", "tmux screen", "tmux new-session -A -D -s sally", 0},
		{"tmux:work-1", "tmux", "tmux new-session -A -D -s work-1", 0},
		{"screen:work", "tmux screen", "screen -d -R -S work", 0},
		{"auto", "screen", "screen -d -R -S sally", 0},
		{"auto", "tmux screen", "tmux new-session -A -D -s sally", 0},
		{"tmux", "screen", "sally: tmux is not installed on this host, so nothing can be resumed (ResumeWith)", 127},
		{"auto", "", "sally: neither tmux nor screen is installed on this host, so nothing can be resumed (ResumeWith)", 127},
	} {
		path := t.TempDir()
		if err := os.Symlink("/bin/sh", filepath.Join(path, "sh")); err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(tc.there) {
			sshtest.WriteProgram(t, filepath.Join(path, name), "#!/bin/sh\necho "+name+" \"$@\"\n")
		}
		cmd := exec.Command("/bin/sh", "-c", resumeCommand(tc.with))
		cmd.Env = []string{"PATH=" + path}
		out, _ := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); got != tc.want || cmd.ProcessState.ExitCode() != tc.code {
			t.Errorf("%s with %q: %q, exit code %d", tc.with, tc.there, got, cmd.ProcessState.ExitCode())
		}
	}
}
