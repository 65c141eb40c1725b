package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// soon bounds what should take milliseconds; reaching it is a failure.
const soon = 20 * time.Second

// program is the binary under test: built once, with the race detector when
// the tests are, in a directory that other accounts can enter.
var program string

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	heedSignals()
	dir, err := os.MkdirTemp("", "sally-e2e-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		err = build(filepath.Join(dir, "sally"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "sally")
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// heedSignals undoes nohup(1) and a shell's "&": a program that a test starts
// would ignore what this process was started to ignore. One that is caught here
// has its own meaning there.
func heedSignals() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}

func build(to string) error {
	args := []string{"build", "-o", to}
	if raceDetector {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return nil
}
