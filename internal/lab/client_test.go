package lab

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

// connect logs in to a hop over a stream, with a client that can misbehave.
func connect(t *testing.T, n *Network, h *host, dial func() (net.Conn, error)) *ssh.Client {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(n.Dir(), h.name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	conn, channels, requests, err := ssh.NewClientConn(c, h.addr, &ssh.ClientConfig{
		User: User, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.FixedHostKey(h.hostKey.PublicKey()),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return ssh.NewClient(conn, channels, requests)
}

func connectTarget(t *testing.T, n *Network) *ssh.Client {
	t.Helper()
	jump := connect(t, n, n.jumps[0], func() (net.Conn, error) { return net.Dial("tcp", n.jumps[0].addr) })
	return connect(t, n, n.targets[0], func() (net.Conn, error) { return jump.Dial("tcp", n.targets[0].addr) })
}

func TestSignalsEndPrograms(t *testing.T) {
	n := startLab(t, Options{Jumps: 1})
	s, err := connectTarget(t, n).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("echo up; exec sleep 600"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if ok, _ := s.SendRequest("signal", true, ssh.Marshal(struct{ Name string }{"NONE"})); ok {
		t.Error("an unknown signal was granted")
	}
	if err := s.Signal(ssh.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	var exit *ssh.ExitError
	if err := s.Wait(); !errors.As(err, &exit) || exit.Signal() != "USR1" {
		t.Errorf("ended with %v, want the signal USR1", err)
	}
}

// Whatever the requests hold, and in whatever order they come, the host
// refuses and goes on.
func TestOddRequestsAreRefused(t *testing.T) {
	n := startLab(t, Options{Jumps: 1})
	target := connectTarget(t, n)
	ch, requests, err := target.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	text := func(s ...string) []byte {
		var b []byte
		for _, v := range s {
			b = append(b, ssh.Marshal(struct{ S string }{v})...)
		}
		return b
	}
	ask := func(kind string, payload []byte, want bool) {
		t.Helper()
		if ok, err := ch.SendRequest(kind, true, payload); ok != want || err != nil {
			t.Errorf("%s %q: %v, %v; want %v", kind, payload, ok, err, want)
		}
	}
	ask("env", []byte{0, 0, 0, 9}, false)
	ask("env", text("LD_PRELOAD", "x"), false)
	ask("env", text("LC_=X", "x"), false)
	ask("env", text("LC_X", "a\x00b"), false)
	ask("env", text("LC_X", "fine"), true)
	ask("pty-req", nil, false)
	ask("window-change", nil, false)
	ask("signal", text("TERM"), false)
	ask("exec", []byte{0xff, 0xff, 0xff, 0xff}, false)
	ask("subsystem", text("sftp"), false)
	ask("x11-req", nil, false)
	ask("exec", text("sleep 600"), true)
	ask("exec", text("true"), false)
	ask("shell", nil, false)
	ask("pty-req", nil, false)
	ask("env", text("LC_Y", "late"), false)
	ch.Close()
	for _, kind := range []string{"direct-tcpip", "x11", "direct-streamlocal@openssh.com"} {
		var refused *ssh.OpenChannelError
		if _, _, err := target.OpenChannel(kind, []byte{1, 2, 3}); !errors.As(err, &refused) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if ok, _, err := target.SendRequest("tcpip-forward", true, nil); ok || err != nil {
		t.Errorf("tcpip-forward: %v, %v", ok, err)
	}
}
