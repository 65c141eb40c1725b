package main_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// TestKilledDaemon loses live sessions and nothing else: the next command
// starts clean, with no file to delete by hand.
func TestKilledDaemon(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	session := u.start("target", "echo running; cat")
	session.expect("running")
	first := u.status().PID
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := session.wait(soon); code != 255 {
		t.Errorf("the session: exit code %d, stderr %q", code, session.err)
	}
	if got := session.err.String(); got != "sally: the daemon ended, and this session with it\n" {
		t.Errorf("the session's stderr: %q", got)
	}
	if out := u.must("target", "echo clean"); out != "clean\n" {
		t.Errorf("stdout %q", out)
	}
	if second := u.status().PID; second == first || len(u.processes("daemon")) != 1 {
		t.Errorf("daemons %d and %d, running: %v", first, second, u.processes("daemon"))
	}
	for _, name := range []string{"jump1", "jump2", "target"} {
		if n := c.Host(name).AcceptedLogins(); n != 2 {
			t.Errorf("%s: %d logins, want one for each daemon", name, n)
		}
	}
}

// TestKilledWhileAsked kills the daemon while requests wait for its first word:
// the next daemon answers them all.
func TestKilledWhileAsked(t *testing.T) {
	t.Parallel()
	c := oneJump(t)
	u := newUser(t, c)
	u.must("up", "jump")
	first := u.status().PID
	if err := syscall.Kill(first, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(u.dir, "sally", "api.sock")
	before := socketsAt(t, socket)
	var waiting []*live
	for _, args := range [][]string{
		{"jump", "echo carried on"}, {"jump", "echo carried on"}, {"up", "jump"}, {"status"}, {"run", "jump", "--", "true"},
		{"cp", "jump:/etc/passwd", filepath.Join(u.dir, "copy")}, {"forward", "add", "jump", "-L", filepath.Join(u.dir, "forward") + ":127.0.0.1:9"},
	} {
		waiting = append(waiting, u.start(args...))
	}
	await(t, "all have connected", func() bool { return socketsAt(t, socket) == before+len(waiting) })
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, l := range waiting {
		if code := l.wait(soon); code != 0 || strings.Contains(l.err.String(), "sally:") {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", l.cmd.Args, code, l.out, l.err)
		}
	}
	if second := u.status().PID; second == first || len(u.processes("daemon")) != 1 {
		t.Errorf("daemons %d and %d, running: %v", first, second, u.processes("daemon"))
	}
	if n := c.Host("jump").AcceptedLogins(); n != 2 {
		t.Errorf("%d logins, want one for each daemon", n)
	}
}

// socketsAt counts the sockets that have the path: who listens, and the ends of
// connections to him, accepted or not.
func socketsAt(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), " "+path+"\n")
}

// TestFrozenDaemon is a daemon that is stopped: commands say so instead of
// waiting for ever, and quit ends it all the same.
func TestFrozenDaemon(t *testing.T) {
	t.Parallel()
	c := oneJump(t)
	u := newUser(t, c)
	u.pin("jump", "-L", filepath.Join(u.dir, "forward")+":127.0.0.1:9")
	first := u.status().PID
	if err := syscall.Kill(first, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var waiting []*live
	for _, args := range [][]string{{"status"}, {"check", "jump"}, {"logs"}, {"jump", "true"}, {"up", "jump"}, {"quit"}} {
		waiting = append(waiting, u.start(args...))
	}
	for i, l := range waiting {
		code, said := l.wait(2*soon), l.err.String()
		if want := []int{1, 1, 1, 255, 1, 0}[i]; code != want {
			t.Errorf("%v: exit code %d, want %d: %q", l.cmd.Args, code, want, said)
		}
		frozen := strings.Contains(said, "the daemon, process "+strconv.Itoa(first)+", does not answer\n  hint: \"sally quit\" ends it by force")
		if frozen != (code != 0) {
			t.Errorf("%v: stderr %q", l.cmd.Args, said)
		}
	}
	if left := u.processes("daemon"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	u.must("jump", "true")
	if now := u.forwards(); len(now) != 1 || u.status().PID == first {
		t.Errorf("forwards of the next daemon: %v", now)
	}
}

// TestOneDaemon refuses a second one while the first lives, also when many
// commands need one at once, and starts none for what needs none.
func TestOneDaemon(t *testing.T) {
	t.Parallel()
	u := newUser(t, oneJump(t))
	for _, args := range [][]string{{"status"}, {"down", "--all"}, {"quit"}, {"version"}, {"-G", "jump"}} {
		u.must(args...)
	}
	if r := u.sally("check", "jump"); r.code != 1 {
		t.Errorf("check: %+v", r)
	}
	if len(u.processes("")) != 0 {
		t.Errorf("started without need: %v", u.processes(""))
	}
	var commands sync.WaitGroup
	for range 8 {
		commands.Go(func() { u.must("up", "jump") })
	}
	commands.Wait()
	pid := u.status().PID
	r := u.sally("daemon")
	if r.code != 1 || !strings.Contains(r.err, "sally: a daemon is already running\n") {
		t.Errorf("the second daemon: %+v", r)
	}
	if d := u.processes("daemon"); len(d) != 1 || d[0].PID != pid || u.status().PID != pid {
		t.Errorf("the first was %d, running: %v", pid, d)
	}
	u.must("jump", "true")
}

// TestDaemonSurvivesItsTerminal starts the daemon from a terminal that is then
// closed: a bystander in the same session dies of it, the daemon does not.
func TestDaemonSurvivesItsTerminal(t *testing.T) {
	t.Parallel()
	c := oneJump(t)
	u := newUser(t, c)
	var pid, bystander int
	t.Run("terminal", func(t *testing.T) {
		shell := exec.Command("sh", "-c", `sleep 600 & echo "bystander $!"; "$@" && echo up; read x`, "sh", program, "-F", u.config, "up", "jump")
		shell.Env = u.env()
		con := sshtest.Tty(t, shell)
		con.Expect("bystander ", soon)
		line := con.Expect("\r\n", soon)
		bystander, _ = strconv.Atoi(strings.TrimSpace(line))
		con.Expect("jump: up in ", soon)
		pid = u.status().PID
	}) // closes the terminal
	await(t, "the hang-up ends the bystander", func() bool { return syscall.Kill(bystander, 0) != nil })
	if got := u.status().PID; got != pid || pid == 0 {
		t.Errorf("daemon %d, was %d", got, pid)
	}
	u.must("jump", "true")
	wantOneLogin(t, c, "jump")
}

// TestDaemonInheritsNothing gives the command that starts the daemon a pipe as
// descriptor 9, and pipes as its streams: all must end with the command.
func TestDaemonInheritsNothing(t *testing.T) {
	t.Parallel()
	u := newUser(t, oneJump(t))
	extra, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	cmd := u.cmd("up", "jump")
	cmd.ExtraFiles = make([]*os.File, 7)
	cmd.ExtraFiles[6] = theirs // descriptor 9
	cmd.Dir = t.TempDir()
	out := newWatched()
	cmd.Stdout = out // a pipe: Wait waits for its end
	r := u.run(cmd)
	theirs.Close()
	if r.code != 0 || !strings.Contains(out.String(), "jump: up") {
		t.Fatalf("%+v", r)
	}
	extra.SetReadDeadline(time.Now().Add(soon))
	if _, err := extra.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the pipe: %v, want its end", err)
	}
	proc := filepath.Join("/proc", strconv.Itoa(u.status().PID))
	entries, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil || len(entries) < 5 {
		t.Fatalf("descriptors: %v, %v", entries, err)
	}
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(proc, "fd", e.Name()))
		known := strings.HasPrefix(to, "socket:") || strings.HasPrefix(to, "anon_inode:") || to == os.DevNull || strings.HasPrefix(to, u.dir+"/") ||
			strings.HasPrefix(to, "/sys/fs/cgroup/") // Go's runtime watches its limits
		if err == nil && !known {
			t.Errorf("descriptor %s is %s", e.Name(), to)
		}
	}
	if dir, _ := os.Readlink(filepath.Join(proc, "cwd")); dir != "/" {
		t.Errorf("the daemon keeps %s busy", dir)
	}
	env, _ := os.ReadFile(filepath.Join(proc, "environ"))
	if strings.Contains(string(env), "TERM=") || !strings.Contains(string(env), "HOME=") {
		t.Errorf("environment %q", env)
	}
}

// TestUnsafeRuntimeDirectory is refused whatever is wrong with it, and nothing
// is started in it.
func TestUnsafeRuntimeDirectory(t *testing.T) {
	t.Parallel()
	sshtest.RequireRoot(t, "a directory of another user")
	other := sshtest.NewAccount(t)
	c := oneJump(t)
	cases := []struct {
		name, want string
		prepare    func(path string) error
	}{
		{"open to others", "its mode is 0755", func(p string) error { return os.Mkdir(p, 0o755) }},
		{"writable by the group", "its mode is 0720", func(p string) error {
			return firstError(os.Mkdir(p, 0o700), os.Chmod(p, 0o720))
		}},
		{"of another user", "it belongs to user " + strconv.Itoa(other.UID), func(p string) error {
			return firstError(os.Mkdir(p, 0o700), os.Chown(p, other.UID, other.GID))
		}},
		{"a link", "it is not a directory", func(p string) error {
			return firstError(os.Mkdir(p+".real", 0o700), os.Symlink(p+".real", p))
		}},
		{"a file", "it is not a directory", func(p string) error { return os.WriteFile(p, nil, 0o600) }},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			u := newUser(t, c)
			path := filepath.Join(u.dir, "sally")
			if err := tc.prepare(path); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(path) // so that quit finds none at the end
			for _, args := range [][]string{{"jump", "true"}, {"up", "jump"}, {"status"}, {"quit"}} {
				r := u.sally(args...)
				wantError(t, r, "unsafe runtime directory "+path+": ", tc.want)
				if r.code != 255 && r.code != 1 {
					t.Errorf("%v: exit code %d", args, r.code)
				}
			}
			left, _ := filepath.Glob(filepath.Join(u.dir, "*", "*"))
			if len(left) > 0 || len(u.processes("")) > 0 || c.Host("jump").Connections() > 0 {
				t.Errorf("started: %v, %v", left, u.processes(""))
			}
		})
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestOtherUsers cannot use the daemon: the directory keeps them out, and when
// it is opened the daemon looks at who they are.
func TestOtherUsers(t *testing.T) {
	t.Parallel()
	sshtest.RequireRoot(t, "another user")
	other := sshtest.NewAccount(t)
	c := oneJump(t)
	u := newUser(t, c)
	u.must("up", "jump")
	socket := filepath.Join(u.dir, "sally", "api.sock")
	ask := func(account *sshtest.Account) string {
		out, _ := actor(t, account, "connect", socket).Output()
		return string(out)
	}
	if got := ask(nil); !strings.Contains(got, `\"hop\":\"jump\"`) {
		t.Fatalf("we ourselves: %s", got)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(u.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := ask(other); !strings.Contains(got, "permission denied") {
		t.Errorf("the other user: %s", got)
	}
	if err := firstError(os.Chmod(filepath.Dir(socket), 0o755), os.Chmod(socket, 0o666)); err != nil {
		t.Fatal(err)
	}
	if got := ask(other); got != "connected: \"\"\n" {
		t.Errorf("the other user, let in by the directory: %s", got)
	}
	// The other user's own command refuses somebody else's daemon.
	cmd := other.Command(t, program, "status")
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+u.dir)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "it belongs to user 0, not to you") {
		t.Errorf("status by the other user: %v, %s", err, out)
	}
	if err := os.Chmod(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	if logs := u.must("logs"); !strings.Contains(logs, "refused a client") || !strings.Contains(logs, strconv.Itoa(other.UID)) {
		t.Errorf("the log does not tell of him:\n%s", logs)
	}
}

// TestPreparedDirectory has an attacker who makes our runtime directory before
// us, in a place where everybody may write, and listens there.
func TestPreparedDirectory(t *testing.T) {
	t.Parallel()
	sshtest.RequireRoot(t, "an attacker")
	attacker := sshtest.NewAccount(t)
	c := oneJump(t)
	u := newUser(t, c)
	if err := os.Chmod(u.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(u.dir, "sally")
	trap := actor(t, attacker, "listen", filepath.Join(path, "api.sock"))
	heard := newWatched()
	trap.Stdout = heard
	if err := trap.Start(); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(path)
	defer trap.Wait()
	defer trap.Process.Kill()
	if !heard.await("ready", soon) {
		t.Fatalf("the trap: %s", heard)
	}
	for _, args := range [][]string{{"jump", "true"}, {"up", "jump"}, {"status"}} {
		wantError(t, u.sally(args...), "unsafe runtime directory "+path+": it belongs to user "+strconv.Itoa(attacker.UID), "hint: another user may have prepared it")
	}
	if c.Host("jump").Connections() != 0 {
		t.Error("a connection was made")
	}
	// The trap works: whoever is careless is caught, and nobody was before.
	actor(t, nil, "connect", filepath.Join(path, "api.sock")).Run()
	if !heard.await("caught one", soon) || strings.Count(heard.String(), "caught") != 1 {
		t.Errorf("the trap: %s", heard)
	}
}

// TestOtherVersion is a daemon from before an upgrade: commands say so, and quit
// ends it all the same.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	u := newUser(t, oneJump(t))
	old := actor(t, nil, "old", filepath.Join(u.dir, "sally", "api.sock"))
	heard := newWatched()
	old.Stdout = heard
	if err := old.Start(); err != nil {
		t.Fatal(err)
	}
	defer old.Wait()
	defer old.Process.Kill()
	if !heard.await("ready", soon) {
		t.Fatalf("the old daemon: %s", heard)
	}
	for _, args := range [][]string{{"jump", "true"}, {"up", "jump"}, {"status"}} {
		wantError(t, u.sally(args...), "another version")
	}
	u.must("quit")
	if !heard.await("ended", soon) {
		t.Errorf("the old daemon: %s", heard)
	}
	u.must("jump", "true")
}

// TestStaleSocket finds what a crash leaves, down to a file that is no socket.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	c := oneJump(t)
	u := newUser(t, c)
	dir := filepath.Join(u.dir, "sally")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lock", "start.lock", "api.sock"} { // as a crash leaves them
		writeFile(t, filepath.Join(dir, name), "")
	}
	if r := u.sally("jump", "echo clean"); r.code != 0 || r.out != "clean\n" {
		t.Errorf("%+v", r)
	}
}

// TestRemovedSocket is made again by the daemon; commands that come before wait
// for it, and no second daemon is started.
func TestRemovedSocket(t *testing.T) {
	t.Parallel()
	u := newUser(t, oneJump(t))
	u.must("up", "jump")
	first := u.status().PID
	socket := filepath.Join(u.dir, "sally", "api.sock")
	for _, replace := range []func() error{
		func() error { return nil },
		func() error { return os.WriteFile(socket, nil, 0o600) },
	} {
		if err := errors.Join(os.Remove(socket), replace()); err != nil {
			t.Fatal(err)
		}
		await(t, "it is a socket", func() bool {
			info, err := os.Lstat(socket)
			return err == nil && info.Mode() == os.ModeSocket|0o600
		})
		if now := u.status(); now.PID != first || len(now.Masters) != 1 {
			t.Errorf("daemon %d, it was %d; connections: %v", now.PID, first, now.Masters)
		}
	}
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	u.must("jump", "true")
	if now := u.status(); now.PID != first || len(u.processes("daemon")) != 1 {
		t.Errorf("daemon %d, it was %d; running: %v", now.PID, first, u.processes("daemon"))
	}
}
