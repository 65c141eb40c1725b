package main_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sallyport/internal/cli"
	"sallyport/internal/daemon"
	"sallyport/internal/sshtest"
)

// resident is a daemon and its commands in the test's own process, where each
// goroutine, descriptor and child is seen. Tests with one are not parallel.
type resident struct {
	t      *testing.T
	dir    daemon.Dir
	config string
	before []goleak.Option // the goroutines of an idle daemon
}

// newResident starts the daemon for a configuration. sshtest.LeakCheck comes
// before it.
func newResident(t *testing.T, config string) *resident {
	t.Helper()
	parent, err := os.MkdirTemp("", "e2e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	r := &resident{t: t, dir: daemon.Dir(filepath.Join(parent, "sally")), config: filepath.Join(parent, "config")}
	writeFile(t, r.config, config)
	instance, err := daemon.Listen(r.dir, "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); instance.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	if got := r.sally("status"); got.code != 0 {
		t.Fatalf("status: %+v", got)
	}
	r.before = []goleak.Option{
		goleak.IgnoreCurrent(),
		goleak.IgnoreAnyFunction("sallyport/internal/sshtest.(*Host).acceptAll"), // after Restart
		goleak.IgnoreAnyFunction("sallyport/internal/sshtest.(*Host).reap"),
		// The daemon's own, which may not have begun yet.
		goleak.IgnoreAnyFunction("sallyport/internal/wake.watchNetwork"),
		goleak.IgnoreAnyFunction("sallyport/internal/wake.watchSleep"),
	}
	return r
}

// sally runs a command in this process.
func (r *resident) sally(args ...string) result {
	r.t.Helper()
	return r.begin(args...).end()
}

// running is a command in this process.
type running struct {
	in       *os.File // keeps the command's input open
	out, err string   // files
	done     chan result
}

// begin starts a command whose input stays open until end.
func (r *resident) begin(args ...string) *running {
	r.t.Helper()
	dir := r.t.TempDir()
	run := &running{out: filepath.Join(dir, "out"), err: filepath.Join(dir, "err"), done: make(chan result, 1)}
	in, keep, err := os.Pipe()
	if err != nil {
		r.t.Fatal(err)
	}
	run.in = keep
	files := [2]*os.File{}
	for i, name := range []string{run.out, run.err} {
		if files[i], err = os.Create(name); err != nil {
			r.t.Fatal(err)
		}
	}
	app := &cli.App{
		Args:  append([]string{"sally", "-F", r.config}, args...),
		Stdin: in, Stdout: files[0], Stderr: files[1],
		Getenv: func(string) string { return "" }, Version: "test", Dir: r.dir,
	}
	go func() {
		start := time.Now()
		code := app.Run()
		took := time.Since(start)
		for _, f := range []*os.File{in, files[0], files[1]} {
			f.Close()
		}
		out, _ := os.ReadFile(run.out)
		errOut, _ := os.ReadFile(run.err)
		run.done <- result{string(out), string(errOut), code, took}
	}()
	return run
}

// end waits for the command's end.
func (run *running) end() result {
	r := <-run.done
	run.in.Close()
	return r
}

// expect waits for text on standard output.
func (run *running) expect(t *testing.T, text string) {
	t.Helper()
	await(t, text+" on standard output", func() bool { return contains(run.out, text) })
}

// leftNothing closes what is up and fails the test if the daemon, which goes
// on, has more goroutines than when it was idle.
func (r *resident) leftNothing() {
	r.t.Helper()
	if got := r.sally("down", "--all"); got.code != 0 {
		r.t.Errorf("down: %+v", got)
	}
	var err error
	if !poll(soon, func() bool { err = goleak.Find(r.before...); return err == nil }) {
		r.t.Error(err)
	}
}

// oneJump is a single host called jump.
func oneJump(t testing.TB) *sshtest.Chain {
	t.Helper()
	return sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"})
}
