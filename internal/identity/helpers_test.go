package identity

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	dummyProvider = "/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so"
	passphrase    = "correct horse"
)

// person answers questions from a script and remembers what was asked.
type person struct {
	mu          sync.Mutex
	passphrases []string // the answers, in order; then empty ones
	yes         bool
	pin         string

	asked   []string
	notices []string
	given   [][]byte // the very slices that were handed out
}

func (p *person) Passphrase(_ context.Context, file string, attempt int) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, fmt.Sprintf("%s %d", filepath.Base(file), attempt))
	if len(p.passphrases) == 0 {
		return nil, nil
	}
	answer := []byte(p.passphrases[0])
	p.passphrases = p.passphrases[1:]
	p.given = append(p.given, answer)
	return answer, nil
}

func (p *person) PIN(_ context.Context, keyType, file string) ([]byte, error) {
	p.asked = append(p.asked, fmt.Sprintf("PIN %s %s", keyType, filepath.Base(file)))
	answer := []byte(p.pin)
	p.given = append(p.given, answer)
	return answer, nil
}

func (p *person) Confirm(_ context.Context, question string) (bool, error) {
	p.asked = append(p.asked, question)
	return p.yes, nil
}

func (p *person) Notice(text string) { p.notices = append(p.notices, text) }

// keygen runs ssh-keygen in dir. Passphrases are derived in one round.
func keygen(t testing.TB, dir string, args ...string) {
	t.Helper()
	run(t, dir, nil, "ssh-keygen", append([]string{"-q", "-a", "1"}, args...)...)
}

func run(t testing.TB, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// newKey makes a key without a passphrase and returns its path.
func newKey(t testing.TB, dir, name, kind string, args ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	keygen(t, dir, append([]string{"-N", "", "-C", name, "-f", path, "-t", kind}, args...)...)
	return path
}

// certify makes path-cert.pub with the CA at ca.
func certify(t testing.TB, ca, path string, args ...string) string {
	t.Helper()
	keygen(t, filepath.Dir(path), append(append([]string{"-s", ca, "-I", "id", "-n", "root,alice"}, args...), path+".pub")...)
	return path + "-cert.pub"
}

// startAgent runs ssh-agent until the test ends and returns its socket.
func startAgent(t testing.TB, args ...string) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent")
	cmd := exec.Command("ssh-agent", append([]string{"-D", "-a", socket}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	// It prints its socket's name when it listens.
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("ssh-agent: %v", err)
	}
	return socket
}

func sshAdd(t testing.TB, socket string, args ...string) string {
	t.Helper()
	return run(t, "", []string{"SSH_AUTH_SOCK=" + socket}, "ssh-add", args...)
}

// open opens a Set that is closed with the test.
func open(t testing.TB, cfg Config, p *person) *Set {
	t.Helper()
	var ask Asker
	if p != nil {
		ask = p
	}
	s, err := Open(context.Background(), cfg, ask)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// server is the sshd that tests log in to, over "sshd -i".
type server struct {
	config string
}

// newServer lets in the keys of the given .pub files, and those certified by
// ca unless that is "".
func newServer(t testing.TB, ca string, pubs ...string) *server {
	t.Helper()
	dir := t.TempDir()
	host := newKey(t, dir, "host", "ed25519")
	var keys bytes.Buffer
	for _, p := range pubs {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		keys.Write(text)
	}
	write(t, filepath.Join(dir, "keys"), keys.String(), 0o644)
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	lines := []string{
		"HostKey " + host, "UsePAM no", "StrictModes no", "PermitRootLogin yes", "LogLevel VERBOSE", "PidFile none",
		"AuthorizedKeysFile " + dir + "/keys", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"PubkeyAcceptedAlgorithms +ssh-rsa,ssh-rsa-cert-v01@openssh.com", "PubkeyAuthOptions none", "MaxAuthTries 100",
	}
	if ca != "" {
		lines = append(lines, "TrustedUserCAKeys "+ca+".pub")
	}
	path := filepath.Join(dir, "sshd_config")
	write(t, path, strings.Join(lines, "\n")+"\n", 0o644)
	return &server{config: path}
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// dial starts an sshd for one connection.
func (s *server) dial(t testing.TB) (net.Conn, *bytes.Buffer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ours, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	f, err := theirs.(*net.TCPConn).File()
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command("/usr/sbin/sshd", "-i", "-e", "-f", s.config)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	t.Cleanup(func() {
		ours.Close()
		cmd.Wait()
		if t.Failed() {
			t.Logf("sshd:\n%s", log.String())
		}
	})
	ours.SetDeadline(time.Now().Add(time.Minute))
	return ours, &log
}

var errNoKeysLeft = errors.New("no keys left")

// login offers a Set's identities, one after the other, and returns the one
// that was let in.
func (s *server) login(t testing.TB, set *Set) (*Identity, error) {
	t.Helper()
	conn, _ := s.dial(t)
	ids := set.Identities()
	var last *Identity
	cfg := &ssh.ClientConfig{
		User:            "root",
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		AuthCallback: func(*ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			for len(ids) > 0 {
				last, ids = ids[0], ids[1:]
				if last.Prepare() == nil {
					return ssh.PublicKeys(last), nil
				}
			}
			return nil, errNoKeysLeft
		},
	}
	c, _, _, err := ssh.NewClientConn(conn, "test", cfg)
	if err != nil {
		return nil, err
	}
	c.Close()
	return last, nil
}

// mustLogin fails the test unless the identity let in has the given type.
func (s *server) mustLogin(t testing.TB, set *Set, kind string) *Identity {
	t.Helper()
	id, err := s.login(t, set)
	if err != nil {
		t.Fatalf("login: %v; notes %q", err, set.Notes())
	}
	if got := id.PublicKey().Type(); got != kind {
		t.Fatalf("logged in with a key of type %s, want %s", got, kind)
	}
	return id
}

// relay passes one connection of l on to the socket.
func relay(l net.Listener, socket string) {
	in, err := l.Accept()
	if err != nil {
		return
	}
	defer in.Close()
	out, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer out.Close()
	done := make(chan struct{})
	go func() {
		io.Copy(out, in)
		out.(*net.UnixConn).CloseWrite()
		close(done)
	}()
	io.Copy(in, out)
	<-done
}
