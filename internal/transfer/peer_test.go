package transfer

import (
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pkg/sftp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sftpServer is OpenSSH's, which speaks on its standard streams.
const sftpServer = "/usr/lib/openssh/sftp-server"

// process is a Session with a program of this machine.
type process struct {
	io.Reader
	io.WriteCloser
	cmd *exec.Cmd
}

func (p *process) Abort() {
	p.WriteCloser.Close()
	p.cmd.Process.Kill()
}

func start(t testing.TB, dir string, args ...string) (Session, error) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = theirs
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	theirs.Close()
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); out.Close() })
	return &process{out, in, cmd}, nil
}

// connect gives a Remote of a real server whose home directory is dir. Its
// sessions are what slowed makes of them.
func connect(t testing.TB, dir string, wrap func(Session) Session) *Remote {
	t.Helper()
	if _, err := os.Stat(sftpServer); err != nil {
		t.Fatalf("%v: install openssh-sftp-server", err)
	}
	session, err := start(t, dir, sftpServer)
	if err != nil {
		t.Fatal(err)
	}
	if wrap != nil {
		session = wrap(session)
	}
	r, err := NewRemote(t.Context(), Far{Host: "web1", SFTP: session, Shell: func(_ context.Context, command string) (Session, error) {
		return start(t, dir, "sh", "-c", command)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// memory is a Session with an SFTP server in this process.
type memory struct {
	io.Reader
	io.WriteCloser
	end func()
}

func (m memory) Abort() { m.end() }

// imagine gives a Remote of a server that is made of handlers.
func imagine(t testing.TB, h sftp.Handlers) *Remote {
	t.Helper()
	ourIn, theirOut := io.Pipe()
	theirIn, ourOut := io.Pipe()
	server := sftp.NewRequestServer(struct {
		io.Reader
		io.WriteCloser
	}{theirIn, theirOut}, h)
	end := func() { ourIn.Close(); ourOut.Close(); theirOut.Close(); theirIn.Close() }
	done := make(chan struct{})
	go func() { server.Serve(); end(); close(done) }()
	r, err := NewRemote(t.Context(), Far{Host: "evil", SFTP: memory{ourIn, ourOut, end}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); server.Close(); <-done })
	return r
}

// book keeps what a copy tells.
type book struct {
	mu     sync.Mutex
	events []Event
}

func (b *book) observe(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
}

func (b *book) of(k Kind) []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []Event
	for _, e := range b.events {
		if e.Kind == k {
			found = append(found, e)
		}
	}
	return found
}

// mustCopy copies and wants no failure.
func mustCopy(t testing.TB, cfg Config) (Totals, *book) {
	t.Helper()
	b := &book{}
	cfg.Observe = b.observe
	totals, err := Copy(t.Context(), cfg)
	if err != nil || totals.Failed > 0 {
		t.Fatalf("%v, failed: %v", err, b.of(Failed))
	}
	return totals, b
}

// write makes a file, and the directories above it.
func write(t testing.TB, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// read is a file's content.
func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// noParts wants no partial file anywhere under dir.
func noParts(t testing.TB, dir string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && isPart(d.Name()) {
			t.Errorf("left: %s", path)
		}
		return nil
	})
}
