package main_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sallyport/internal/sshtest"
)

// answering are verbs with an answer on standard output, about a host that is
// connected.
var answering = [][]string{
	{"ls"}, {"ls", "--json"}, {"show", "target"}, {"show", "target", "--json"}, {"status"}, {"status", "--json"},
	{"doctor"}, {"doctor", "--json"}, {"logs"}, {"logs", "-f"}, {"test", "target"}, {"test", "target", "--json"}, {"forward", "ls"}, {"forward", "ls", "--json"},
	{"check", "target"}, {"up", "target"}, {"run", "--dry-run", "target", "--", "true"}, {"add", "-n", "new", "--host", "127.0.0.1"}, {"export"},
	{"version"}, {"version", "--json"}, {"--version"}, {"completion", "bash"}, {"--help"}, {"help"}, {"help", "ls"}, {"ls", "--help"},
}

// answers is cmd for one of these; a flag of ours must be the first word.
func (u *user) answers(args []string) *exec.Cmd {
	cmd := u.cmd(args...)
	if strings.HasPrefix(args[0], "-") {
		cmd.Args = append(cmd.Args[:1], args...)
	}
	return cmd
}

// TestStdoutWithoutRoom: an answer that cannot be written is a failure, told
// once, and no bad command line.
func TestStdoutWithoutRoom(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	u := newUser(t, sshtest.NewChain(t, sshtest.HostConfig{Name: "target"}))
	u.must("up", "target")
	for _, args := range answering {
		cmd := u.answers(args)
		cmd.Stdout = full
		if r := u.run(cmd); r.code != 1 || r.err != "sally: write standard output: no space left on device\n" {
			t.Errorf("%q: %+v", args, r)
		}
	}
	cmd := u.cmd("forward", "ls", "--bad")
	cmd.Stdout = full
	if r := u.run(cmd); r.code != 2 || strings.Contains(r.err, "standard output") {
		t.Errorf("a bad command line: %+v", r)
	}
}

// TestStdoutWithoutReader: who reads has had enough, and nobody is told.
func TestStdoutWithoutReader(t *testing.T) {
	t.Parallel()
	u := newUser(t, sshtest.NewChain(t, sshtest.HostConfig{Name: "target"}))
	u.must("up", "target")
	for _, args := range answering {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		cmd := u.answers(args)
		cmd.Stdout = w
		got := u.run(cmd)
		w.Close()
		if status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGPIPE || got.err != "" {
			t.Errorf("%q: %v, %+v", args, cmd.ProcessState, got)
		}
	}
}

// TestStdoutOfVerbs: a verb that prints on the descriptor itself does not
// notice that nothing is written.
func TestStdoutOfVerbs(t *testing.T) {
	files, err := filepath.Glob("../../internal/cli/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		for lines := bufio.NewScanner(strings.NewReader(readFile(t, file))); lines.Scan(); {
			if line := lines.Text(); strings.Contains(line, ".Stdout, ") && strings.Contains(line, "fmt.Fprint") || strings.Contains(line, "NewWriter(v.Stdout") || strings.Contains(line, "NewEncoder(v.Stdout") {
				t.Errorf("%s: %s: print to out", filepath.Base(file), strings.TrimSpace(line))
			}
		}
	}
}
