package main_test

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/sshtest"
)

// forwards are all that the user sees.
func (u *user) forwards() []api.Forward {
	u.t.Helper()
	var list []api.Forward
	if err := json.Unmarshal([]byte(u.must("forward", "ls", "--json")), &list); err != nil {
		u.t.Fatal(err)
	}
	return list
}

// pin adds forwards and returns them.
func (u *user) pin(args ...string) []api.Forward {
	u.t.Helper()
	var list []api.Forward
	if err := json.Unmarshal([]byte(u.must(append([]string{"forward", "add", "--json"}, args...)...)), &list); err != nil {
		u.t.Fatal(err)
	}
	return list
}

// carries reports whether a forward carries a word there and back.
func carries(network, addr string) bool {
	conn, err := net.DialTimeout(network, addr, soon)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(soon))
	io.WriteString(conn, "word")
	conn.(interface{ CloseWrite() error }).CloseWrite()
	got, err := io.ReadAll(conn)
	return err == nil && string(got) == "back word"
}

// TestPinnedForwards: listening at once, dialled by the first connection, kept
// without a terminal, listed, removed.
func TestPinnedForwards(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	var local []end
	for _, to := range echoEnds(t) {
		for _, from := range listenEnds(t) {
			u.pin("target", "-L", from.flag+":"+to.flag)
			local = append(local, from)
		}
	}
	if s := u.status(); len(s.Masters) != 0 || len(s.Pinned) != len(local) {
		t.Errorf("dialled before it was needed: %+v", s.Masters)
	}
	if list := u.forwards(); list[0].State != "idle" || !list[0].Pinned || list[0].Host != "target" {
		t.Errorf("%+v", list[0])
	}
	for _, l := range local {
		wantEcho(t, l.network, l.addr)
	}
	wantOneLogin(t, c, "target")
	first := u.forwards()[0]
	if first.State != "up" || first.Total != 1 || first.Connections != 0 || first.BytesOut != 600_000 || first.BytesIn != 600_005 {
		t.Errorf("%+v", first)
	}
	if out := u.must("status"); !strings.Contains(out, "forward local "+local[0].flag) || !strings.Contains(out, "pinned") {
		t.Errorf("status:\n%s", out)
	}
	// Removed are the listener and the connections there are.
	conn := dial(t, local[0].network, local[0].addr)
	defer conn.Close()
	await(t, "it is counted", func() bool { return u.forwards()[0].Connections == 1 })
	if out := u.must("forward", "rm", first.ID); !strings.HasSuffix(out, "with 1 connection\n") {
		t.Errorf("rm: %q", out)
	}
	if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection of a removed forward: %v", err)
	}
	if r := u.sally("forward", "rm", first.ID); r.code != 1 || !strings.Contains(r.err, "no pinned forward is called") {
		t.Errorf("%+v", r)
	}
	u.must("forward", "rm", "all")
	if list := u.forwards(); len(list) != 0 {
		t.Errorf("left: %+v", list)
	}
	for _, l := range local {
		if conn, err := net.Dial(l.network, l.addr); err == nil {
			conn.Close()
			t.Errorf("%s still listens", l.addr)
		}
	}
}

// TestPinnedRemoteAndDynamic: -R has the master up at once, -D is SOCKS.
func TestPinnedRemoteAndDynamic(t *testing.T) {
	t.Parallel()
	c := oneJump(t)
	u := newUser(t, c)
	there := lateEcho(t, "tcp", "127.0.0.1:0")
	from := listenEnds(t)
	f := u.pin("jump", "-R", from[0].flag+":"+there, "-R", from[2].flag+":"+there, "-R", "0:"+there, "--name", "back")
	for _, l := range []end{from[0], from[2], {"tcp", f[2].Addresses[0], ""}} {
		wantEcho(t, l.network, l.addr)
	}
	if got := u.forwards(); got[0].Name != "back" || got[0].Total != 1 || got[0].State != "up" || got[2].Listen != "0" {
		t.Errorf("%+v", got)
	}
	u.pin("jump", "-D", from[1].flag)
	conn := dial(t, from[1].network, from[1].addr)
	defer conn.Close()
	if socks(t, conn, "5", "127.0.0.1", portOf(there)) {
		wantEchoOn(t, conn)
	} else {
		t.Error("SOCKS was refused")
	}
	// What cannot listen there says so, and leaves nothing.
	taken := lateEcho(t, "tcp", "127.0.0.1:0")
	r := u.sally("forward", "add", "jump", "-R", taken+":localhost:1")
	if r.code != 1 || r.err != "sally: forward "+taken+" to localhost:1: the server refuses to listen\n" || len(u.forwards()) != 4 {
		t.Errorf("%+v, %d forwards", r, len(u.forwards()))
	}
	u.must("forward", "rm", "back")
	if carries(from[0].network, from[0].addr) {
		t.Error("the removed remote forward still works")
	}
}

func portOf(addr string) (port int) {
	_, text, _ := net.SplitHostPort(addr)
	for _, c := range text {
		port = 10*port + int(c-'0')
	}
	return port
}

// TestPinnedRestored: the jump host goes away under forwards and comes back;
// they work again within 5 s without a command, those that listen there too.
func TestPinnedRestored(t *testing.T) {
	t.Parallel()
	c := twoJumps(t)
	u := newUser(t, c)
	to := lateEcho(t, "tcp", "127.0.0.1:0")
	from := listenEnds(t)
	u.pin("target", "-L", from[0].flag+":"+to, "-L", from[2].flag+":"+to)
	u.pin("target", "-R", from[1].flag+":"+to)
	for _, l := range from {
		wantEcho(t, l.network, l.addr)
	}
	jump := c.Host("jump1")
	jump.Kill()
	await(t, "it is seen", func() bool { return u.forwards()[0].State == "waiting" })
	for range 3 {
		if carries(from[0].network, from[0].addr) {
			t.Fatal("it works without the jump host")
		}
	}
	if f := u.forwards()[0]; !strings.Contains(f.LastError, "jump1") || f.Failed < 3 || len(f.Addresses) != 1 {
		t.Errorf("%+v", f)
	}
	// One that nobody has used has the connection's error, and when that was.
	if f := u.forwards()[1]; !strings.Contains(f.LastError, "jump1") || f.LastErrorAt == nil || time.Since(*f.LastErrorAt) > soon {
		t.Errorf("%+v", f)
	}
	time.Sleep(2 * time.Second) // the pauses get longer
	jump.Restart()
	back := time.Now()
	// The one that listens there comes back without anybody's asking.
	await(t, "the remote forward works again", func() bool { return carries(from[1].network, from[1].addr) })
	t.Logf("the remote forward works %v after the jump host is back", time.Since(back))
	jump.Drop()
	back = time.Now()
	for _, l := range []end{from[2], from[0]} {
		await(t, "it works again", func() bool { return carries(l.network, l.addr) })
		if took := time.Since(back); took > 5*time.Second {
			t.Errorf("%s works %v after the jump host is back", l.addr, took)
		}
	}
	t.Logf("all work %v after the jump host is back", time.Since(back))
}

// TestPinnedListenErrors: what cannot work is said before anything is dialled.
func TestPinnedListenErrors(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"})
	u := newUser(t, c)
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strings.TrimPrefix(taken.Addr().String(), "127.0.0.1:")
	socket := filepath.Join(u.dir, "s")
	id := u.pin("jump", "-L", socket+":x:1")[0].ID
	long := "/" + strings.Repeat("x", 120)
	for _, test := range []struct {
		flags []string
		code  int
		want  string
	}{
		{[]string{"-L", port + ":x:1"}, 1, "forward 127.0.0.1:" + port + " to x:1: address already in use"},
		{[]string{"-D", "127.0.0.1:" + port}, 1, "forward 127.0.0.1:" + port + " (SOCKS): address already in use"},
		{[]string{"-L", socket + ":y:1"}, 1, "forward " + socket + " to y:1: address already in use: pinned forward " + id + " listens there"},
		{[]string{"-L", "/nowhere/at/all:y:1"}, 1, "forward /nowhere/at/all to y:1: no such file or directory"},
		{[]string{"-L", "192.0.2.1:4000:y:1"}, 1, "forward 192.0.2.1:4000 to y:1: cannot assign requested address"},
		{[]string{"-L", long + ":x:1"}, 2, "the socket's path has 121 bytes, and at most 107 are possible"},
		{[]string{"-L", "4000"}, 2, "a local forward is written [address:]port:host:hostport"},
		{[]string{"-L", "99999:x:1"}, 2, "a local forward is written"},
		{[]string{"-D", "x:y:z"}, 2, "a dynamic forward is written [address:]port"},
		{[]string{}, 2, "needs at least one of -L, -R and -D"},
		{[]string{"-D", "4000", "--name", "all"}, 1, `"all" is no name`},
	} {
		r := u.sally(append([]string{"forward", "add", "jump"}, test.flags...)...)
		if r.code != test.code || !strings.Contains(r.err, test.want) || r.out != "" {
			t.Errorf("%q: %+v, want %q", test.flags, r, test.want)
		}
	}
	if list := u.forwards(); len(list) != 1 {
		t.Errorf("left: %+v", list)
	}
	if c.Host("jump").Connections() != 0 {
		t.Error("something was dialled")
	}
}

// TestPinnedPrivilegedPort is somebody who may not listen there, on a network
// of his own: that of the tests may not mind.
func TestPinnedPrivilegedPort(t *testing.T) {
	t.Parallel()
	sshtest.RequireRoot(t, "to make a network and to give up a privilege")
	sshtest.Require(t, "unshare", "setpriv")
	u := newUser(t, oneJump(t))
	own := u.cmd("forward", "add", "jump", "-L", "*:443:x:1")
	cmd := exec.Command("unshare", append([]string{"-n", "setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-all"}, own.Args...)...)
	cmd.Env = own.Env
	want := "sally: forward 0.0.0.0:443 to x:1: permission denied\n"
	if r := u.run(cmd); r.code != 1 || r.err != want {
		t.Errorf("%+v, want %q", r, want)
	}
}

// TestPinnedAfterCrash: a daemon that is killed leaves what the next one brings
// back; "sally quit" ends it for good.
func TestPinnedAfterCrash(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"})
	u := newUser(t, c)
	to := lateEcho(t, "tcp", "127.0.0.1:0")
	from := listenEnds(t)
	u.pin("jump", "-D", filepath.Join(u.dir, "gone"))
	u.pin("jump", "-L", from[0].flag+":"+to, "-L", from[2].flag+":"+to, "--name", "two")
	u.pin("jump", "-R", from[1].flag+":"+to)
	u.must("forward", "rm", "1")
	u.pin("jump", "-D", filepath.Join(u.dir, "gone"))
	u.must("forward", "rm", "5")
	file := filepath.Join(u.dir, "sally", "forwards.json")
	half := file + ".1234567" // of a daemon that was killed while it wrote
	leave := func() {
		t.Helper()
		if err := os.WriteFile(half, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leave()
	u.pin("jump", "-D", filepath.Join(u.dir, "gone"))
	u.must("forward", "rm", "6")
	if exists(half) {
		t.Error("what a killed daemon has left stays")
	}
	leave()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if strings.Contains(readFile(t, file), "GORACE") {
		t.Error("the file has variables that nobody needs")
	}
	syscall.Kill(u.status().PID, syscall.SIGKILL)
	await(t, "the daemon is gone", func() bool { return len(u.processes("daemon")) == 0 })
	// A process that was killed has no command line a little before its sockets close.
	await(t, "its socket is dead", func() bool {
		conn, err := net.Dial("unix", filepath.Join(u.dir, "sally", "api.sock"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	u.must("up", "jump") // whatever starts the next one
	for _, l := range from {
		await(t, l.addr+" works again", func() bool { return carries(l.network, l.addr) })
	}
	// They are called what they were called before, and nothing else will be.
	if list := u.forwards(); len(list) != 3 || list[0].Name != "two" || list[0].ID != "2" || list[2].ID != "4" {
		t.Errorf("%+v", list)
	}
	if f := u.pin("jump", "-D", filepath.Join(u.dir, "gone")); f[0].ID != "7" {
		t.Errorf("a new one after the crash: %+v", f)
	}
	u.must("quit")
	await(t, "the daemon is gone", func() bool { return len(u.processes("daemon")) == 0 })
	if exists(file) || exists(half) || exists(from[2].addr) {
		t.Error("quit leaves the file, half of one, or the socket")
	}
	if list := u.forwards(); len(list) != 0 {
		t.Errorf("after quit: %+v", list)
	}
}

// TestPinnedUnsaved: what was done, and is not in the file, is said to be so.
func TestPinnedUnsaved(t *testing.T) {
	t.Parallel()
	u := newUser(t, sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"}))
	socket := func(name string) string { return filepath.Join(u.dir, name) }
	u.pin("jump", "-D", socket("1"))
	file := filepath.Join(u.dir, "sally", "forwards.json")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(file, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	wants := func(r result, out, problem string) {
		t.Helper()
		if r.code != 1 || !strings.HasPrefix(r.out, out) || !strings.HasPrefix(r.err, "sally: the forward"+problem+file+": ") || strings.Count(r.err, "\n") != 2 {
			t.Errorf("%+v", r)
		}
	}
	wants(u.sally("forward", "add", "jump", "-D", socket("2")), "2: ", " is added, but could not be put into ")
	wants(u.sally("forward", "add", "--json", "jump", "-D", socket("3")), "[\n", " is added, but could not be put into ")
	if list := u.forwards(); len(list) != 3 || !exists(socket("2")) {
		t.Errorf("%+v", list)
	}
	wants(u.sally("forward", "rm", "1"), "1: removed ", " is ended, but could not be taken out of ")
	wants(u.sally("forward", "rm", "all"), "2: removed ", "s are ended, but could not be taken out of ")
	if list := u.forwards(); len(list) != 0 || exists(socket("2")) {
		t.Errorf("%+v", list)
	}
	if err := os.RemoveAll(file); err != nil {
		t.Fatal(err)
	}
	u.pin("jump", "-D", socket("4"))
	u.must("forward", "rm", "4")
}

// TestPinnedNeedsAnswer: what only a person can answer is asked of whoever runs
// a command, and said to who uses the forward.
func TestPinnedNeedsAnswer(t *testing.T) {
	t.Parallel()
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump", Auth: sshtest.EncryptedKey})
	u := newUser(t, c)
	to := lateEcho(t, "tcp", "127.0.0.1:0")
	from := listenEnds(t)[2]
	u.pin("jump", "-L", from.flag+":"+to)
	for range 2 {
		if carries(from.network, from.addr) {
			t.Fatal("it works without a passphrase")
		}
	}
	f := u.forwards()[0]
	if f.State != "refused" || !strings.Contains(f.LastError, `needs an answer: run "sally up jump"`) || f.Failed != 2 {
		t.Errorf("%+v", f)
	}
	up := u.tty("up", "jump")
	up.Expect("passphrase", soon)
	up.Send(c.Host("jump").Passphrase + "\n")
	if code := up.Wait(soon); code != 0 {
		t.Fatalf("up: %d", code)
	}
	await(t, "it is up", func() bool { return u.forwards()[0].State == "up" })
	wantEcho(t, from.network, from.addr)

	now := u.tty("forward", "add", "jump", "--now", "-D", filepath.Join(u.dir, "d"))
	if code := now.Wait(soon); code != 0 {
		t.Errorf("add --now: %d", code)
	}
	u.must("down", "jump")
	await(t, "it is left alone", func() bool { return u.forwards()[0].State == "idle" && u.forwards()[1].State == "idle" })
}

// TestForwardRefusals: each reason has its own words, the server's where it has
// some, per forward and for -W.
func TestForwardRefusals(t *testing.T) {
	t.Parallel()
	open := lateEcho(t, "tcp", "127.0.0.1:0")
	closed := sshtest.RefusedPort(t)
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"},
		sshtest.HostConfig{Name: "none", ExtraConfig: []string{"AllowTcpForwarding no"}},
		sshtest.HostConfig{Name: "some", Via: "jump", ExtraConfig: []string{"PermitOpen " + open}},
		sshtest.HostConfig{Name: "all", Via: "jump"})
	u := newUser(t, c)
	from := filepath.Join(u.dir, "some-open")
	u.pin("some", "-L", from+":"+open)
	wantEcho(t, "unix", from) // so that it is known to forward
	unknown := "no.such.name.invalid:80"
	for i, test := range []struct{ host, target, want string }{
		{"none", closed, `administratively prohibited: "open failed" (the server does not forward, or not to there: AllowTcpForwarding, PermitOpen)`},
		{"some", closed, `administratively prohibited: "open failed" (the server forwards, but not to there: PermitOpen)`},
		{"all", closed, `connection failed: "Connection refused"`},
		{"all", unknown, `connection failed: "Name or service not known"`},
	} {
		socket := filepath.Join(u.dir, "l"+string(rune('0'+i)))
		id := u.pin(test.host, "-L", socket+":"+test.target)[0].ID
		if carries("unix", socket) {
			t.Errorf("%s: it works", test.host)
		}
		want := "open " + test.target + ": " + test.want
		for _, f := range u.forwards() {
			if f.ID == id && f.LastError != want {
				t.Errorf("%s: %q, want %q", test.host, f.LastError, want)
			}
		}
		if test.host == "some" {
			continue
		}
		r := u.sally("-W", test.target, test.host)
		if r.code != 255 || !strings.HasPrefix(r.err, "sally: "+test.host+" (") || !strings.HasSuffix(r.err, "): "+want+"\n") {
			t.Errorf("-W over %s: %+v", test.host, r)
		}
	}
}
