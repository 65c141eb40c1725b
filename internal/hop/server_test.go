package hop

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// newSigner is a key that is the same for the same seed.
func newSigner(t testing.TB, seed byte) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromKey(newRaw(seed))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keyFile writes the private key of newSigner(seed) and returns its path.
func keyFile(t testing.TB, seed byte) string {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(newRaw(seed), "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), fmt.Sprintf("key%d", seed))
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// server is an x/crypto SSH server with one host key.
type server struct {
	addr   *net.TCPAddr
	key    ssh.Signer
	config *ssh.ServerConfig
	// serve is called with each connection that is logged in; nil discards
	// everything.
	serve func(*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request)

	mu    sync.Mutex
	tried []string // user authentication methods, as the server saw them
}

// newServer starts a server, which ends with the test. config may be nil: then
// anybody may log in.
func newServer(t testing.TB, config *ssh.ServerConfig) *server {
	t.Helper()
	if config == nil {
		config = &ssh.ServerConfig{NoClientAuth: true}
	}
	s := &server{key: newSigner(t, 'h'), config: config}
	config.AddHostKey(s.key)
	config.AuthLogCallback = func(_ ssh.ConnMetadata, method string, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		var partial *ssh.PartialSuccessError
		switch {
		case err == nil:
			method += "+"
		case errors.As(err, &partial):
			method += "~"
		}
		s.tried = append(s.tried, method)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().(*net.TCPAddr)
	var tasks sync.WaitGroup
	var conns sync.Map
	tasks.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			conns.Store(nc, true)
			tasks.Go(func() { s.handle(nc) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		conns.Range(func(nc, _ any) bool { nc.(net.Conn).Close(); return true })
		tasks.Wait()
	})
	return s
}

func (s *server) handle(nc net.Conn) {
	defer nc.Close()
	c, channels, requests, err := ssh.NewServerConn(nc, s.config)
	if err != nil {
		return
	}
	if s.serve != nil {
		s.serve(c, channels, requests)
		return
	}
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		_ = ch.Reject(ssh.Prohibited, "no")
	}
}

// log is the methods that were tried: "+" marks the one that succeeded, "~" a
// partial success.
func (s *server) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.tried, " ")
}

// hop is how to reach the server, with its key in a known_hosts file.
func (s *server) hop(t testing.TB) route.Hop {
	t.Helper()
	h := testHop(t, s.addr)
	s.know(t, h, s.key.PublicKey())
	return h
}

// know files a key for h.
func (s *server) know(t testing.TB, h route.Hop, keys ...ssh.PublicKey) {
	t.Helper()
	var b strings.Builder
	for _, key := range keys {
		b.WriteString(knownhosts.Line([]string{s.addr.String()}, key) + "\n")
	}
	if err := os.WriteFile(h.Options.HostKey.UserFiles[0], []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// testHop is a hop at an address with OpenSSH's defaults as far as they
// matter, a known_hosts file that does not exist, and no keys.
func testHop(t testing.TB, addr net.Addr) route.Hop {
	t.Helper()
	host, port := addr.(*net.TCPAddr).IP.String(), addr.(*net.TCPAddr).Port
	var o sshconfig.Options
	o.Original, o.HostName, o.Port, o.User = "box", host, port, "u"
	o.Connect = sshconfig.Connect{AddressFamily: "any", Attempts: 1, Timeout: 5 * time.Second, IPQoSInteractive: -1, IPQoSBulk: -1}
	o.HostKey = sshconfig.HostKey{UserFiles: []string{filepath.Join(t.TempDir(), "known_hosts")},
		StrictHostKeyChecking: "yes", FingerprintHash: "sha256", UpdateHostKeys: "no"}
	o.Transport.HostKeyAlgorithms = Supported().HostKeys
	o.Auth = sshconfig.Auth{IdentityFilesSet: true, Publickey: true, Password: true, KbdInteractive: true,
		PreferredAuthentications: []string{"gssapi-with-mic", "hostbased", "publickey", "keyboard-interactive", "password"},
		NumberOfPasswordPrompts:  3, AddKeysToAgent: "no"}
	return route.Hop{Name: "box", Options: o}
}

// person answers from a list and remembers what it was asked and told.
type person struct {
	mu      sync.Mutex
	answers []string
	asked   []Question
	told    []Notice
}

func answers(list ...string) *person { return &person{answers: list} }

func (p *person) Ask(_ context.Context, q Question) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, q)
	if len(p.answers) == 0 {
		return "", ErrNobody
	}
	answer := p.answers[0]
	p.answers = p.answers[1:]
	if answer == "^C" {
		return "", ErrCancelled
	}
	return answer, nil
}

func (p *person) Tell(n Notice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, n)
}

func (p *person) Origin() Origin { return Origin{Env: []string{"WHO=test", "PATH=/usr/bin:/bin"}} }

// heard is all notices of a kind.
func (p *person) heard(kind NoticeKind) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for _, n := range p.told {
		if n.Kind == kind {
			b.WriteString(n.Text + "\n")
		}
	}
	return b.String()
}

// kinds lists the kinds of the questions asked.
func (p *person) kinds() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kinds []string
	for _, q := range p.asked {
		kinds = append(kinds, string(q.Kind))
	}
	return strings.Join(kinds, " ")
}

// journal is a slog.Handler that keeps messages.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	j.lines = append(j.lines, line)
	return nil
}

// count is how many lines contain text.
func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(j.lines), func(l string) bool { return !strings.Contains(l, text) }))
}

// dialHop dials within a time that no test should need.
func dialHop(t testing.TB, h route.Hop, ask Asker) (*Conn, error) {
	t.Helper()
	return dialLogged(t, h, ask, nil)
}

func dialLogged(t testing.TB, h route.Hop, ask Asker, log *journal) (*Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cfg := Config{Hop: h, Asker: ask}
	if log != nil {
		cfg.Log = slog.New(log)
	}
	c, err := Dial(ctx, cfg)
	if c != nil {
		t.Cleanup(func() { c.Close(); c.Wait() })
	}
	return c, err
}

// wantStage checks an error's stage and text.
func wantStage(t testing.TB, err error, stage Stage, texts ...string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want an *Error", err)
	}
	if e.Stage != stage {
		t.Errorf("stage is %q, want %q: %v", e.Stage, stage, err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error lacks %q:\n%v", text, err)
		}
	}
}

// await polls until what holds, which something else brings about.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// newRaw is the private key of newSigner(seed).
func newRaw(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), 32)))
}
