package mux

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// A testServer is a stock sshd that serves each connection on a socketpair, so
// that no port has to be found for it.
type testServer struct {
	config string // sshd_config
	key    string // private key file that it accepts
	signer ssh.Signer
	user   string
}

func newTestServer(t testing.TB) *testServer {
	t.Helper()
	if _, err := os.Stat("/usr/sbin/sshd"); err != nil {
		t.Fatal("these tests need openssh-server: ", err)
	}
	if os.Getuid() == 0 {
		_ = os.MkdirAll("/run/sshd", 0o755)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &testServer{
		config: filepath.Join(dir, "sshd_config"),
		key:    filepath.Join(dir, "id"),
		user:   me.Username,
	}
	hostKey := filepath.Join(dir, "host")
	writeKey(t, hostKey)
	s.signer = writeKey(t, s.key)
	keys := filepath.Join(dir, "authorized_keys")
	writeFile(t, keys, string(ssh.MarshalAuthorizedKey(s.signer.PublicKey())))
	writeFile(t, s.config, fmt.Sprintf(`HostKey %s
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
AcceptEnv *
MaxSessions 1000
Subsystem sftp internal-sftp
LogLevel QUIET
`, hostKey, keys))
	return s
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeKey(t testing.TB, path string) ssh.Signer {
	t.Helper()
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, string(pem.EncodeToMemory(block)))
	signer, err := ssh.NewSignerFromKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// command is the server as an ssh ProxyCommand.
func (s *testServer) command() string { return "/usr/sbin/sshd -i -f " + s.config }

// dial starts a server for one connection and logs in.
func (s *testServer) dial(t testing.TB) *testUpstream {
	t.Helper()
	ours, theirs := socketPair(t)
	f, err := theirs.File()
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/sbin/sshd", "-i", "-f", s.config)
	cmd.Stdin, cmd.Stdout = f, f
	err = cmd.Start()
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); _ = cmd.Wait() })
	conn, chans, reqs, err := ssh.NewClientConn(ours, "sshd", &ssh.ClientConfig{
		User:            s.user,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(s.signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		Timeout:         testTimeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	u := &testUpstream{Conn: conn, done: make(chan struct{}), accept: make(map[RemoteListen]func(ssh.NewChannel))}
	go ssh.DiscardRequests(reqs)
	go u.dispatch(chans)
	go func() { _ = conn.Wait(); close(u.done) }()
	return u
}

// testUpstream shares one x/crypto connection among proxy clients.
type testUpstream struct {
	ssh.Conn
	done chan struct{}

	mu     sync.Mutex
	accept map[RemoteListen]func(ssh.NewChannel)
	closed int
}

func (u *testUpstream) OpenChannel(_ context.Context, kind string, extra []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	return u.Conn.OpenChannel(kind, extra)
}

func (u *testUpstream) Done() <-chan struct{} { return u.done }

func (u *testUpstream) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed++
	return nil
}

func (u *testUpstream) Listen(_ context.Context, l RemoteListen, accept func(ssh.NewChannel)) (uint32, func() error, error) {
	name, payload := forwardRequest(l)
	ok, answer, err := u.SendRequest(name, true, payload)
	if err != nil || !ok {
		return 0, nil, errors.Join(errors.New("refused"), err)
	}
	if l.Path == "" && l.Port == 0 {
		l.Port = (&decoder{b: answer}).uint32()
	}
	u.mu.Lock()
	u.accept[l] = accept
	u.mu.Unlock()
	return l.Port, func() error {
		u.mu.Lock()
		delete(u.accept, l)
		u.mu.Unlock()
		name, payload := forwardRequest(l)
		_, _, err := u.SendRequest("cancel-"+name, true, payload)
		return err
	}, nil
}

func forwardRequest(l RemoteListen) (name string, payload []byte) {
	if l.Path != "" {
		return "streamlocal-forward@openssh.com", new(encoder).string(l.Path).b
	}
	return "tcpip-forward", new(encoder).string(l.Host).uint32(l.Port).b
}

func (u *testUpstream) dispatch(chans <-chan ssh.NewChannel) {
	for nc := range chans {
		d := &decoder{b: nc.ExtraData()}
		l := RemoteListen{Path: d.string()}
		if nc.ChannelType() == "forwarded-tcpip" {
			l = RemoteListen{Host: l.Path, Port: d.uint32()}
		}
		u.mu.Lock()
		accept := u.accept[l]
		u.mu.Unlock()
		if accept == nil {
			_ = nc.Reject(ssh.Prohibited, "nobody listens")
			continue
		}
		accept(nc)
	}
}

// stockMaster starts "ssh -M" to the server and returns its control socket.
func (s *testServer) stockMaster(t testing.TB) (path string, master *exec.Cmd) {
	t.Helper()
	path = filepath.Join(shortDir(t), "m")
	cmd := exec.Command("ssh", "-F", "none", "-M", "-S", path, "-N", "-i", s.key,
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "ProxyCommand="+s.command(), "-o", "LogLevel=ERROR", s.user+"@server")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	deadline := time.After(testTimeout)
	for {
		if conn, err := net.Dial("unix", path); err == nil {
			conn.Close()
			return path, cmd
		}
		select {
		case <-ended:
			t.Fatal("stock master ended")
		case <-deadline:
			t.Fatal("stock master does not listen")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// attach connects our client to a control socket.
func attach(t testing.TB, path string) *Client {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	c, err := NewClient(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
