package mux

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func dialPath(path string) (*net.UnixConn, error) {
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
}

func listen(t testing.TB, path string) *Listener {
	t.Helper()
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// onlyEntry wants the directory to hold one name and no temporary one.
func onlyEntry(t testing.TB, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != name {
		t.Errorf("directory holds %q, not %q", got, name)
	}
}

func TestListenerMode(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := shortDir(t)
	l := listen(t, filepath.Join(dir, "s"))
	fi, err := os.Lstat(l.Path())
	if err != nil || fi.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	onlyEntry(t, dir, "s")
}

func TestListenerAcceptsTrustedPeer(t *testing.T) {
	l := listen(t, filepath.Join(shortDir(t), "s"))
	c, err := dialPath(l.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	conn, peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if peer.PID != os.Getpid() || int(peer.UID) != os.Getuid() || !peer.Trusted() {
		t.Errorf("peer %+v", peer)
	}
	if stranger := (Peer{UID: 4_000_000_000}); stranger.Trusted() {
		t.Error("a stranger is trusted")
	}
}

func TestListenerReplacesStaleSocketOnly(t *testing.T) {
	dir := shortDir(t)
	path := filepath.Join(dir, "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	var inUse *InUseError
	if _, err := Listen(path); !errors.As(err, &inUse) || !inUse.Live {
		t.Errorf("on a live socket: %v", err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	l := listen(t, path)
	onlyEntry(t, dir, "s")
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	onlyEntry(t, dir, "")

	writeFile(t, path, "precious")
	if _, err := Listen(path); !errors.As(err, &inUse) || inUse.Live {
		t.Errorf("on a file: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Error("the file was touched")
	}
	onlyEntry(t, dir, "s")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere", path); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); !errors.As(err, &inUse) {
		t.Errorf("on a symbolic link: %v", err)
	}
}

func TestListenerPathTooLong(t *testing.T) {
	dir := shortDir(t)
	_, err := Listen(filepath.Join(dir, strings.Repeat("x", 120)))
	var tooLong *PathTooLongError
	if !errors.As(err, &tooLong) {
		t.Errorf("got %v", err)
	}
	fits := filepath.Join(dir, strings.Repeat("x", maxPath-len(dir)-1))
	c, err := dialPath(listen(t, fits).Path())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// Of many who want the place of a dead socket, exactly one gets it.
func TestListenerRace(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	for range 20 {
		stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		stale.SetUnlinkOnClose(false)
		stale.Close()
		won := make(chan *Listener, 10)
		for range cap(won) {
			go func() {
				l, err := Listen(path)
				if err != nil {
					l = nil
				}
				won <- l
			}()
		}
		var winners []*Listener
		for range cap(won) {
			if l := <-won; l != nil {
				winners = append(winners, l)
			}
		}
		reachable := 0
		for _, l := range winners {
			if !l.Missing() {
				reachable++
			}
			l.Close()
		}
		if reachable != 1 || len(winners) != 1 {
			t.Fatalf("%d listeners, %d of them reachable", len(winners), reachable)
		}
	}
}

// Those who connected before the end are still answered.
func TestListenerCloseKeepsBacklog(t *testing.T) {
	l := listen(t, filepath.Join(shortDir(t), "s"))
	var clients []*net.UnixConn
	for range 5 {
		c, err := dialPath(l.Path())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := dialPath(l.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("dial after the end: %v", err)
	}
	for range clients {
		conn, _, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte("x"))
		conn.Close()
	}
	for _, c := range clients {
		expect(t, c, "answer", []byte("x"))
	}
	if _, _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after the end: %v", err)
	}
}

// Close wakes an Accept that waits, and takes nobody else's socket away.
func TestListenerCloseOnReplacedPath(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	first := listen(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second := listen(t, path)
	waiting := make(chan error, 1)
	go func() { _, _, err := first.Accept(); waiting <- err }()
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if second.Missing() {
		t.Error("the second socket was removed by the first")
	}
}

func TestListenerRestore(t *testing.T) {
	dir := shortDir(t)
	l := listen(t, filepath.Join(dir, "s"))
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			conn, _, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	if err := l.Restore(); err != nil || l.Missing() {
		t.Error("nothing to restore:", err)
	}
	early, err := dialPath(l.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	(<-accepted).Close()
	if err := os.Remove(l.Path()); err != nil {
		t.Fatal(err)
	}
	if !l.Missing() {
		t.Error("a socket that was removed is not missing")
	}
	if err := l.Restore(); err != nil {
		t.Fatal(err)
	}
	c, err := dialPath(l.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	(<-accepted).Close()
	onlyEntry(t, dir, "s")
	l.Close()
	if err := l.Restore(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	for range accepted {
	}
}

func TestWantsNoSession(t *testing.T) {
	for _, tt := range []struct {
		line string
		want bool
	}{
		{"ssh -N host", true},
		{"ssh -fN host", true},
		{"ssh host -N", true},
		{"ssh -L 1:h:2 host -N", true},
		{"ssh -l N host", false},
		{"ssh -lN host", false},
		{"ssh -p 22 host cmd -N", false},
		{"ssh host cmd -N", false},
		{"ssh -- host -N", false},
		{"ssh -T host -- -N", false},
		{"ssh -oSessionType=none host", true},
		{"ssh -o sessiontype=NONE host", true},
		{"ssh -o SessionType=default host", false},
		{"ssh -vNT -o ControlPath=x host", true},
		{"ssh -NL 1:h:2 host", true},
		{"ssh -o", false},
		{"ssh", false},
		{"ssh - -N", true},
		{"", false},
	} {
		if got := wantsNoSession(strings.Fields(tt.line)); got != tt.want {
			t.Errorf("%q: %v", tt.line, got)
		}
	}
	if (Peer{PID: 0}).WantsNoSession() || (Peer{PID: 1 << 30}).WantsNoSession() {
		t.Error("a process that is not there")
	}
}
