//go:build unix

package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/api"
	"sallyport/internal/mux"
	"sallyport/internal/route"
	"sallyport/internal/sshtest"
)

// place makes a directory with a mode, whatever the umask is.
func place(t *testing.T, path string, mode fs.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUnsafeRuntimeDir is refused, by the daemon and by commands.
func TestUnsafeRuntimeDir(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	for name, prepare := range map[string]func(dir string) error{
		"a file":              func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"a link to ours":      func(dir string) error { return os.Symlink(place(t, dir+".real", 0o700), dir) },
		"a dangling link":     func(dir string) error { return os.Symlink(dir+".nowhere", dir) },
		"readable by a group": func(dir string) error { place(t, dir, 0o750); return nil },
		"open to all":         func(dir string) error { place(t, dir, 0o777); return nil },
		"sticky":              func(dir string) error { place(t, dir, 0o777|fs.ModeSticky); return nil },
	} {
		d := Dir(filepath.Join(base, strings.ReplaceAll(name, " ", "-")))
		if err := prepare(string(d)); err != nil {
			t.Fatal(err)
		}
		if err := d.Make(); !errors.Is(err, ErrUnsafeDir) {
			t.Errorf("%s: made: %v", name, err)
		}
		if _, err := d.Dial(t.Context()); !errors.Is(err, ErrUnsafeDir) {
			t.Errorf("%s: dialled: %v", name, err)
		}
		if _, err := os.Lstat(string(d) + ".nowhere"); err == nil {
			t.Errorf("%s: followed", name)
		}
	}
}

// TestReplaceableRuntimeDir: whoever may write to the directory around it can
// put his own in its place, after it was looked at.
func TestReplaceableRuntimeDir(t *testing.T) {
	t.Parallel()
	for mode, safe := range map[fs.FileMode]bool{
		0o700: true, 0o755: true, 0o777: false, 0o702: false, 0o777 | fs.ModeSticky: true, 0o770: true,
	} {
		d := Dir(filepath.Join(place(t, filepath.Join(t.TempDir(), "parent"), mode), "sally"))
		err := d.Make()
		if safe != (err == nil) || !safe && !errors.Is(err, ErrUnsafeDir) {
			t.Errorf("in a directory of mode %v: %v", mode, err)
		}
	}
}

// TestMalloryOwnsTheParent also when it looks safe otherwise.
func TestMalloryOwnsTheParent(t *testing.T) {
	mallory := sshtest.NewAccount(t)
	d := Dir(filepath.Join(mallory.Home, "sally"))
	if err := d.Make(); !errors.Is(err, ErrUnsafeDir) {
		t.Errorf("made in his home: %v", err)
	}
	// He prepares one in /tmp; /tmp itself is fine.
	theirs := filepath.Join(filepath.Dir(mallory.Home), "sally")
	place(t, theirs, 0o700)
	if err := os.Chown(theirs, mallory.UID, mallory.GID); err != nil {
		t.Fatal(err)
	}
	if err := Dir(theirs).Make(); !errors.Is(err, ErrUnsafeDir) || !strings.Contains(err.Error(), fmt.Sprint(mallory.UID)) {
		t.Errorf("his own: %v", err)
	}
}

// TestPlantedFiles stand where the daemon's own belong.
func TestPlantedFiles(t *testing.T) {
	t.Parallel()
	for _, file := range []string{lockName, startName, logName} {
		for what, plant := range map[string]func(path, victim string) error{
			"a link":      func(path, victim string) error { return os.Symlink(victim, path) },
			"a hard link": func(path, victim string) error { return os.Link(victim, path) },
			"a pipe":      func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
			"a directory": func(path, _ string) error { return os.Mkdir(path, 0o700) },
			"an open one": func(path, _ string) error { place(t, filepath.Dir(path), 0o700); return openFile(path) },
		} {
			d := Dir(filepath.Join(t.TempDir(), "sally"))
			if err := d.Make(); err != nil {
				t.Fatal(err)
			}
			victim := filepath.Join(filepath.Dir(string(d)), "victim")
			if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := plant(filepath.Join(string(d), file), victim); err != nil {
				t.Fatal(err)
			}
			err := useAll(t, d)
			if err == nil {
				t.Errorf("%s in the place of %s was used", what, file)
			}
			if got, _ := os.ReadFile(victim); string(got) != "precious" {
				t.Errorf("%s in the place of %s: the victim is %q", what, file, got)
			}
		}
	}
}

func openFile(path string) error {
	return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666))
}

// useAll uses every file of a runtime directory.
func useAll(t *testing.T, d Dir) error {
	release, err := d.StartLock(t.Context())
	if err != nil {
		return err
	}
	release()
	i, err := Listen(d, "test", time.Minute)
	if err != nil {
		return err
	}
	i.close()
	i.server.Close()
	return nil
}

// TestStaleSocket of any kind is replaced by one that is ours alone.
func TestStaleSocket(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "sally"))
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.WriteFile(victim, nil, 0o600), os.Symlink(victim, d.Socket())); err != nil {
		t.Fatal(err)
	}
	old := syscall.Umask(0)
	i, err := Listen(d, "test", time.Minute)
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	defer i.server.Close()
	defer i.close()
	for path, want := range map[string]fs.FileMode{
		d.Socket(): fs.ModeSocket | 0o600, d.LogFile(): 0o600, filepath.Join(string(d), lockName): 0o600, string(d): fs.ModeDir | 0o700,
	} {
		if info, err := os.Lstat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	if _, err := os.Stat(victim); err != nil {
		t.Error(err)
	}
	if _, err := Listen(d, "second", time.Minute); !errors.Is(err, ErrRunning) {
		t.Errorf("a second one: %v", err)
	}
}

// TestLogIsBounded however long the daemon lives.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l, err := openLog(path, 1000, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 500 {
		if _, err := fmt.Fprintf(l, "line %03d %s\n", i, strings.Repeat("x", i%200)); err != nil {
			t.Fatal(err)
		}
	}
	var all []byte
	for _, p := range []string{path + ".old", path} {
		text, err := os.ReadFile(p)
		if err != nil || len(text) > 1000 || !bytes.HasPrefix(text, []byte("line ")) {
			t.Errorf("%s: %d bytes, %.20q, %v", p, len(text), text, err)
		}
		all = append(all, text...)
	}
	if !bytes.Contains(all, []byte("line 499")) || !bytes.HasSuffix(all, []byte("\n")) {
		t.Errorf("the end is lost: %.200q", all)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 2 {
		t.Errorf("%v", files)
	}
}

// TestLogIsBoundedWithoutTurns: the next file cannot be made.
func TestLogIsBoundedWithoutTurns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l, err := openLog(path, 1000, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Mkdir(path+".old", 0o700); err != nil { // a file cannot take its name
		t.Fatal(err)
	}
	for range 500 {
		if _, err := fmt.Fprintf(l, "%0100d\n", 1); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 1000 {
		t.Errorf("%v, %v", info.Size(), err)
	}
}

// TestLogOnFullDisk is lost, and nothing else.
func TestLogOnFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	book := newLogbook(full)
	slog.New(logHandler{book: book}).Info("kept in memory")
	if past, _, stop := book.follow(); len(past) != 1 {
		t.Errorf("%v", past)
		stop()
	}
}

// TestEvilServerFillsTheLogbook with long words and many of them.
func TestEvilServerFillsTheLogbook(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	book := newLogbook(&file)
	log := slog.New(logHandler{book: book})
	evil := strings.Repeat("é", 64<<10)
	for range logbookSize + 10 {
		log.Warn("connection failed", "hop", evil, "err", errors.New(strings.Clone(evil)))
	}
	past, _, stop := book.follow()
	stop()
	if len(past) != logbookSize {
		t.Errorf("%d records", len(past))
	}
	for _, r := range past {
		if n := len(r.Hop) + len(r.Attrs["err"]); n > 3*maxLogValue || !strings.HasPrefix(r.Attrs["err"], "éé") {
			t.Fatalf("%d bytes: %.80q", n, r.Attrs["err"])
		}
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 64<<20 {
		t.Errorf("%d bytes are held", m.HeapAlloc)
	}
	runtime.KeepAlive(past)
	line, _, _ := strings.Cut(file.String(), "\n")
	var r api.Record
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Errorf("%v: %.80q", err, line)
	}
}

// TestBadRoute is refused as what it is.
func TestBadRoute(t *testing.T) {
	good := route.Route{Hops: []route.Hop{{Name: "a"}}}.Encode()
	if rt, err := requestRoute(&api.Request{Route: good}); err != nil || rt.Target().Name != "a" {
		t.Errorf("%v, %v", rt, err)
	}
	other := append([]byte("0123456789abcdef"), good[16:]...)
	for code, bad := range map[string][][]byte{
		api.CodeBad:     {nil, []byte("7"), good[:15], good[:16], good[:len(good)-1], append(good, 0), route.Route{}.Encode()},
		api.CodeVersion: {other, []byte(`{"Hops":[{"Name":"a"}]}`)},
	} {
		for _, data := range bad {
			var e *api.Error
			if _, err := requestRoute(&api.Request{Route: data}); !errors.As(err, &e) || e.Code != code {
				t.Errorf("%.40q: %v", data, err)
			}
		}
	}
}

// TestMalloryTakesTheNumber of a client that has gone: his environment names
// a program that he would like us to run.
func TestMalloryTakesTheNumber(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/proc is Linux's")
	}
	mallory := sshtest.NewAccount(t)
	theirs := mallory.Command(t, "sleep", "60")
	theirs.Env = append(theirs.Env, "SSH_ASKPASS=/tmp/evil")
	ours := exec.CommandContext(t.Context(), "sleep", "60")
	ours.Env = []string{"SSH_ASKPASS=/usr/bin/askpass"}
	ours.Dir = t.TempDir()
	for _, c := range []*exec.Cmd{theirs, ours} {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { c.Process.Kill(); c.Wait() }()
	}
	me := uint32(os.Geteuid())
	if got := originOf(mux.Peer{UID: me, PID: theirs.Process.Pid}); len(got.Env) > 0 || got.Dir != "" {
		t.Errorf("took %+v", got)
	}
	if got := originOf(mux.Peer{UID: me, PID: ours.Process.Pid}); lookup(got.Env, "SSH_ASKPASS") == "" || got.Dir != ours.Dir {
		t.Errorf("lost our own: %+v", got)
	}
}

// TestRunsAs knows a setuid program by its real user.
func TestRunsAs(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{
		"Name:\tssh\nUid:\t0\t0\t0\t0\nGid:\t0": true,
		"Uid:\t1000\t0\t0\t0\n":                 false,
		"Uid:\t0\t0\t1000\t0\n":                 false,
		"Uid:\t0\t0\t0\n":                       false,
		"Name:\tUid:\t0\t0\t0\t0\n":             false,
		"":                                      false,
	} {
		if got := runsAs([]byte(status), 0); got != want {
			t.Errorf("%q: %v", status, got)
		}
	}
}

// TestEvilServerOpensAgentChannels without end.
func TestEvilServerOpensAgentChannels(t *testing.T) {
	t.Parallel()
	var a lentAgent
	n := 0
	for a.enter() {
		n++
	}
	if n != maxAgentChannels {
		t.Errorf("%d channels", n)
	}
	a.exit()
	if !a.enter() || a.enter() {
		t.Error("a channel that ends makes room for one")
	}
}

// unread is a channel of a server that does not get what it wants.
type unread struct {
	ssh.NewChannel
	refused int
}

func (c *unread) Reject(ssh.RejectionReason, string) error { c.refused++; return nil }

// TestEvilServerOpensDisplays that nobody forwards, or too often.
func TestEvilServerOpensDisplays(t *testing.T) {
	t.Parallel()
	l := &live{}
	c := &unread{}
	l.serveX11(c) // Accept would panic
	l.serveAgent(c)
	if c.refused != 2 {
		t.Errorf("refused %d", c.refused)
	}
	_, takeBack := l.displays.lend(&display{})
	for range maxX11Clients {
		if !l.displays.enter() {
			t.Fatal("refused an honest client")
		}
	}
	l.serveX11(c)
	if c.refused != 3 {
		t.Error("one too many was let in")
	}
	l.displays.exit()
	takeBack()
	if l.displays.enter() {
		t.Error("let in once no display was forwarded")
	}
}

// TestEvilX11Greeting is not what an X client says, or shows a cookie that is
// nobody's.
func TestEvilX11Greeting(t *testing.T) {
	t.Parallel()
	good := "l\x00\x0b\x00\x00\x00\x12\x00\x10\x00\x00\x00" + x11Protocol + "\x00\x00" + strings.Repeat("c", x11CookieLen)
	if greeting, at, err := readX11Greeting(strings.NewReader(good + "more")); err != nil || string(greeting) != good || string(greeting[at:]) != strings.Repeat("c", x11CookieLen) {
		t.Errorf("%q, %d, %v", greeting, at, err)
	}
	for _, evil := range []string{
		"", "l", "G" + good[1:], good[:len(good)-1],
		strings.Replace(good, "\x12\x00", "\xff\xff", 1), strings.Replace(good, "\x10\x00\x00\x00", "\xff\xff\x00\x00", 1),
		strings.Replace(good, "MIT", "XDM", 1), "B" + good[1:],
	} {
		if greeting, _, err := readX11Greeting(strings.NewReader(evil)); err == nil {
			t.Errorf("%q: took %q", evil, greeting)
		}
	}
	var l lentDisplays
	_, takeBack := l.lend(&display{})
	defer takeBack()
	if l.find(make([]byte, x11CookieLen)) != nil || l.find(nil) != nil {
		t.Error("found a display with a cookie of nobody's")
	}
}
