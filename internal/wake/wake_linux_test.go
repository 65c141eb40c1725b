package wake

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"sallyport/internal/sshtest"
)

// inNamespace is set in the process that TestNetwork runs in a network of its
// own.
const inNamespace = "SALLY_TEST_NETWORK"

// watching runs Watch until the test ends, and gives what it tells.
func watching(t *testing.T, bus string) <-chan string {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	told := make(chan string, 16)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Watch(ctx, Config{Bus: bus, Changed: func(why string) { told <- why }})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("Watch does not end")
		}
		if err := goleak.Find(leaks); err != nil {
			t.Error(err)
		}
	})
	return told
}

func expect(t *testing.T, told <-chan string, want string) {
	t.Helper()
	select {
	case why := <-told:
		if why != want {
			t.Errorf("told %q, want %q", why, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("not told that %s", want)
	}
}

// startBus runs a message bus of the test's own.
func startBus(t *testing.T) (address string) {
	t.Helper()
	sshtest.Require(t, "dbus-daemon")
	address = "unix:path=" + filepath.Join(t.TempDir(), "bus")
	cmd := exec.Command(sshtest.Path(t, "dbus-daemon"), "--session", "--nofork", "--nopidfile", "--print-address=1", "--address="+address)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return address
}

// TestResume has a logind of ours announce that the machine sleeps and wakes.
func TestResume(t *testing.T) {
	bus := startBus(t)
	told := watching(t, bus)
	connect := func() *dbus.Conn {
		conn, err := dbus.Connect(bus)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	announce := func(conn *dbus.Conn, sleeping bool) {
		if err := conn.Emit("/org/freedesktop/login1", manager+"."+sleepSignal, sleeping); err != nil {
			t.Fatal(err)
		}
	}
	impostor, real := connect(), connect()
	if _, err := real.RequestName(logind, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	// Until it listens, signals are lost: they are repeated.
	for deadline := time.Now().Add(20 * time.Second); len(told) == 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		announce(real, false)
	}
	expect(t, told, "the machine has resumed")
	for len(told) > 0 {
		<-told
	}
	announce(impostor, false)
	announce(real, true)
	announce(real, false)
	expect(t, told, "the machine has resumed")
	if len(told) > 0 {
		t.Errorf("told %q too", <-told)
	}
}

// TestNetwork changes addresses, in a network namespace.
func TestNetwork(t *testing.T) {
	if os.Getenv(inNamespace) != "" {
		changeAddresses(t)
		return
	}
	sshtest.RequireRoot(t, "a network namespace")
	sshtest.Require(t, "unshare")
	cmd := exec.Command(sshtest.Path(t, "unshare"), "-n", os.Args[0], "-test.run=^TestNetwork$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func changeAddresses(t *testing.T) {
	setAddress := func(ip string) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		ifreq, err := unix.NewIfreq("lo")
		if err == nil {
			parts := []byte{10, 1, 2, ip[len(ip)-1] - '0'}
			err = ifreq.SetInet4Addr(parts)
		}
		if err == nil {
			err = unix.IoctlIfreq(fd, unix.SIOCSIFADDR, ifreq)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	told := watching(t, "unix:path=/nowhere")
	for deadline, n := time.Now().Add(20*time.Second), 0; len(told) == 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		n++
		setAddress("10.1.2." + string(rune('1'+n%8)))
	}
	expect(t, told, "addresses or routes have changed")
}
