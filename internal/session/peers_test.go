package session

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testPatience is for things that must happen; a test that passes does not wait.
const testPatience = 60 * time.Second

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	t.Cleanup(cancel)
	return ctx
}

func newKey(t testing.TB) (ssh.Signer, []byte) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

// dialSSHD starts an sshd of its own on a socket pair, logs in and returns
// the connection. options are lines of sshd_config.
func dialSSHD(t testing.TB, options ...string) ssh.Conn {
	t.Helper()
	const sshd = "/usr/sbin/sshd"
	if _, err := os.Stat(sshd); err != nil {
		t.Fatalf("these tests need OpenSSH's server: %v", err)
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatalf("sshd needs its directory: %v", err)
		}
	}
	dir := t.TempDir()
	_, hostKey := newKey(t)
	signer, _ := newKey(t)
	config := fmt.Sprintf("HostKey %s/host\nAuthorizedKeysFile %s/keys\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n", dir, dir)
	for _, o := range options {
		config += o + "\n"
	}
	write(t, filepath.Join(dir, "host"), hostKey)
	write(t, filepath.Join(dir, "keys"), ssh.MarshalAuthorizedKey(signer.PublicKey()))
	write(t, filepath.Join(dir, "config"), []byte(config))

	conn, remote := socketpair(t)
	var log bytes.Buffer
	cmd := exec.Command(sshd, "-i", "-e", "-f", filepath.Join(dir, "config"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = remote, remote, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	remote.Close()
	t.Cleanup(func() {
		conn.Close()
		cmd.Wait()
		if t.Failed() {
			t.Logf("sshd: %s", log.Bytes())
		}
	})
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, conn, &ssh.ClientConfig{
		User:            me.Username,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
}

func newClient(t testing.TB, conn net.Conn, config *ssh.ClientConfig) ssh.Conn {
	t.Helper()
	c, chans, reqs, err := ssh.NewClientConn(conn, "test", config)
	if err != nil {
		conn.Close()
		t.Fatal(err)
	}
	go ssh.DiscardRequests(reqs)
	go func() {
		for ch := range chans {
			ch.Reject(ssh.Prohibited, "")
		}
	}()
	t.Cleanup(func() { c.Close(); c.Wait() })
	return c
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// socketpair returns a connection and the file of its other end.
func socketpair(t testing.TB) (net.Conn, *os.File) {
	t.Helper()
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		syscall.ForkLock.RUnlock()
		t.Fatal(err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	syscall.ForkLock.RUnlock()
	near := os.NewFile(uintptr(fds[0]), "near")
	defer near.Close()
	conn, err := net.FileConn(near)
	if err != nil {
		t.Fatal(err)
	}
	return conn, os.NewFile(uintptr(fds[1]), "far")
}

// peer is a server in Go that does what a test makes it do.
type peer struct {
	ssh.Channel
	reqs <-chan *ssh.Request
}

// next returns the next request, and answers it.
func (p *peer) next(t testing.TB, answer bool) *ssh.Request {
	t.Helper()
	select {
	case r, ok := <-p.reqs:
		if !ok {
			t.Error("the channel ended where a request was expected")
			return &ssh.Request{}
		}
		r.Reply(answer, nil)
		return r
	case <-time.After(testPatience):
		t.Error("no request came")
		return &ssh.Request{}
	}
}

func (p *peer) exitStatus(status uint32) {
	p.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
}

// dialPeer connects to a server in Go that calls serve for each channel.
func dialPeer(t testing.TB, serve func(ssh.NewChannel)) ssh.Conn {
	t.Helper()
	return newClient(t, listenPeer(t, serve), &ssh.ClientConfig{User: "u", HostKeyCallback: ssh.InsecureIgnoreHostKey()})
}

// listenPeer starts such a server and returns a connection to it.
func listenPeer(t testing.TB, serve func(ssh.NewChannel)) net.Conn {
	t.Helper()
	conn, file := socketpair(t)
	remote, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	var done sync.WaitGroup
	done.Go(func() { servePeer(t, remote, serve) })
	t.Cleanup(func() { conn.Close(); remote.Close(); done.Wait() })
	return conn
}

func servePeer(t testing.TB, conn net.Conn, serve func(ssh.NewChannel)) {
	signer, _ := newKey(t)
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	c, chans, reqs, err := ssh.NewServerConn(conn, config)
	if err != nil {
		t.Errorf("server: %v", err)
		return
	}
	go ssh.DiscardRequests(reqs)
	var done sync.WaitGroup
	for ch := range chans {
		done.Go(func() { serve(ch) })
	}
	c.Wait()
	done.Wait()
}

// accepting is a serve function that accepts the channel for f, and closes
// it after f.
func accepting(f func(*peer)) func(ssh.NewChannel) {
	return func(n ssh.NewChannel) {
		ch, reqs, err := n.Accept()
		if err != nil {
			return
		}
		f(&peer{ch, reqs})
		ch.Close()
		for range reqs {
		}
	}
}

// outcome is all that one session gave.
type outcome struct {
	exit           Exit
	err            error
	stdout, stderr string
}

func start(t testing.TB, o Opener, r Request) *Session {
	t.Helper()
	if r.EscapeChar == 0 {
		r.EscapeChar = -1
	}
	s, err := Start(testContext(t), o, r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// do runs one session to its end and checks that it leaves nothing.
func do(t testing.TB, o Opener, r Request, stdin io.Reader) outcome {
	t.Helper()
	return finish(t, start(t, o, r), stdin)
}

func finish(t testing.TB, s *Session, stdin io.Reader) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	exit, err := s.Run(testContext(t), Streams{Stdin: stdin, Stdout: &out, Stderr: &errs})
	awaitDone(t, s)
	return outcome{exit, err, out.String(), errs.String()}
}

func awaitDone(t testing.TB, s *Session) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(testPatience):
		t.Fatal("the session's goroutines did not end")
	}
}
