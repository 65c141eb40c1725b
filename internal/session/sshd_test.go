package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/stdio"
)

func TestExitStatus(t *testing.T) {
	c := dialSSHD(t)
	for _, status := range []int{0, 1, 7, 255} {
		got := do(t, c, Request{Command: fmt.Sprintf("echo out; echo err >&2; exit %d", status)}, nil)
		want := outcome{Exit{Status: status}, nil, "out\n", "err\n"}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if got.exit.Code() != status {
			t.Errorf("code %d, want %d", got.exit.Code(), status)
		}
	}
}

func TestExitSignal(t *testing.T) {
	got := do(t, dialSSHD(t), Request{Command: "kill -TERM $$"}, nil)
	if got.err != nil || got.exit.Signal != "TERM" || got.exit.Lost || got.exit.Code() != 255 {
		t.Errorf("got %+v", got)
	}
}

func TestShellReadsStdin(t *testing.T) {
	got := do(t, dialSSHD(t), Request{}, strings.NewReader("echo from the shell\nexit 7\n"))
	if got.exit.Status != 7 || !strings.Contains(got.stdout, "from the shell\n") {
		t.Errorf("got %+v", got)
	}
}

func TestEnvironment(t *testing.T) {
	c := dialSSHD(t, "AcceptEnv GOOD*")
	got := do(t, c, Request{
		Command: `echo "$GOOD1|$GOOD2|$BAD"`,
		Env:     []string{"GOOD1=a b=c", "malformed", "BAD=x", "GOOD2=\"'$"},
	}, nil)
	if got.stdout != "a b=c|\"'$|\n" {
		t.Errorf("got %q", got.stdout)
	}
}

func TestSubsystem(t *testing.T) {
	c := dialSSHD(t, "Subsystem echo /bin/cat")
	if got := do(t, c, Request{Subsystem: true, Command: "echo"}, strings.NewReader("hello")); got.stdout != "hello" || got.err != nil {
		t.Errorf("got %+v", got)
	}
	got := do(t, c, Request{Subsystem: true, Command: "missing"}, strings.NewReader("hello"))
	refused, ok := errors.AsType[*RefusedError](got.err)
	if !ok || refused.Request != "subsystem" || !got.exit.Lost {
		t.Errorf("got %+v", got)
	}
	if _, err := Start(testContext(t), c, Request{Subsystem: true}); !errors.Is(err, errNoSubsystem) {
		t.Errorf("no name: %v", err)
	}
}

func TestMaxSessions(t *testing.T) {
	c := dialSSHD(t, "MaxSessions 1")
	s := start(t, c, Request{Command: "cat"})
	_, err := Start(testContext(t), c, Request{Command: "true"})
	refused, ok := errors.AsType[*OpenError](err)
	if !ok || refused.Reason != ssh.ConnectionFailed || refused.Text != "open failed" {
		t.Errorf("got %#v", err)
	}
	if _, ok := errors.AsType[*ssh.OpenChannelError](err); !ok {
		t.Errorf("%v does not unwrap", err)
	}
	if got := finish(t, s, strings.NewReader("still here")); got.stdout != "still here" {
		t.Errorf("first session: %+v", got)
	}
}

func TestPTYRefused(t *testing.T) {
	c := dialSSHD(t, "PermitTTY no")
	s := start(t, c, Request{Command: "tty; exit 3", PTY: &PTY{Term: "xterm"}})
	var refused []string
	for r := range s.Refused() {
		refused = append(refused, r.Request)
	}
	if len(refused) != 1 || refused[0] != "pty-req" {
		t.Errorf("refused %q", refused)
	}
	if got := finish(t, s, nil); got.exit.Status != 3 || got.stdout != "not a tty\n" {
		t.Errorf("got %+v", got)
	}
}

func TestWindowSize(t *testing.T) {
	c := dialSSHD(t)
	pty := &PTY{Term: "xterm-test", Cols: 97, Rows: 31}
	s := start(t, c, Request{PTY: pty, Command: `stty -echo; stty size; echo $TERM; read x; stty size; read x; stty size`})
	in, keys := io.Pipe()
	lines := newLineWriter()
	done := make(chan Exit)
	go func() {
		exit, _ := s.Run(testContext(t), Streams{Stdin: in, Stdout: lines})
		done <- exit
	}()
	expect := func(want string) {
		t.Helper()
		if got := lines.next(t); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect("31 97")
	expect("xterm-test")
	for _, size := range [][2]int{{120, 40}, {20, 5}} {
		if err := s.WindowChange(size[0], size[1], 0, 0); err != nil {
			t.Fatal(err)
		}
		keys.Write([]byte("\n"))
		expect(fmt.Sprintf("%d %d", size[1], size[0]))
	}
	if exit := <-done; exit.Status != 0 || exit.Lost {
		t.Errorf("exit %+v", exit)
	}
	keys.Close()
	awaitDone(t, s)
}

// A size that is told before the server accepted the command is not lost.
func TestEarlyWindowChange(t *testing.T) {
	s := start(t, dialSSHD(t), Request{PTY: &PTY{Cols: 80, Rows: 24}, Command: "read x; stty size"})
	s.WindowChange(1, 1, 0, 0)
	s.WindowChange(50, 10, 0, 0)
	got := finish(t, s, strings.NewReader("\n"))
	if !strings.Contains(got.stdout, "10 50\r\n") {
		t.Errorf("got %q", got.stdout)
	}
}

// lineWriter sends complete lines on, however they are cut into writes.
type lineWriter struct {
	lines   chan string
	partial []byte
}

func newLineWriter() *lineWriter { return &lineWriter{lines: make(chan string, 16)} }

func (w *lineWriter) Write(p []byte) (int, error) {
	w.partial = append(w.partial, p...)
	for {
		line, rest, complete := bytes.Cut(w.partial, []byte("\n"))
		if !complete {
			return len(p), nil
		}
		w.lines <- strings.TrimRight(string(line), "\r")
		w.partial = rest
	}
}

func (w *lineWriter) next(t *testing.T) string {
	t.Helper()
	select {
	case s := <-w.lines:
		return s
	case <-time.After(testPatience):
		t.Fatal("no line came")
		return ""
	}
}

// random yields n bytes and hashes them.
func random(n int64, h hash.Hash) io.Reader {
	return io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), n), h)
}

func TestBulkBothWays(t *testing.T) {
	const size = 200 << 20
	sent, got := sha256.New(), sha256.New()
	s := start(t, dialSSHD(t), Request{Command: "cat; echo end >&2; exit 7"})
	var errs bytes.Buffer
	exit, err := s.Run(testContext(t), Streams{Stdin: random(size, sent), Stdout: got, Stderr: &errs})
	if err != nil || exit != (Exit{Status: 7}) || errs.String() != "end\n" {
		t.Fatalf("%+v, %v, %q", exit, err, errs.String())
	}
	if !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		t.Error("the bytes changed on the way")
	}
}

// The two outputs are kept apart, in bulk and at the same time.
func TestOutputsApart(t *testing.T) {
	s := start(t, dialSSHD(t), Request{Command: `(head -c 20000000 /dev/zero | tr '\0' o) & (head -c 20000000 /dev/zero | tr '\0' e) >&2; wait`})
	out, errs := counter{}, counter{}
	exit, err := s.Run(testContext(t), Streams{Stdout: out, Stderr: errs})
	if err != nil || exit != (Exit{}) {
		t.Fatal(exit, err)
	}
	if len(out) != 1 || out['o'] != 20000000 || len(errs) != 1 || errs['e'] != 20000000 {
		t.Errorf("stdout %v, stderr %v", out, errs)
	}
}

// counter counts how often each byte came.
type counter map[byte]int

func (c counter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		b := rest[:1]
		tail := bytes.TrimLeft(rest, string(b))
		c[b[0]] += len(rest) - len(tail)
		rest = tail
	}
	return len(p), nil
}

// The far side closes its output while ours is open, and the other way round.
func TestHalfClose(t *testing.T) {
	c := dialSSHD(t)
	got := do(t, c, Request{Command: "cat >/dev/null; echo after the end"}, strings.NewReader("x"))
	if got.stdout != "after the end\n" {
		t.Errorf("local end first: %+v", got)
	}
	in, keys := io.Pipe()
	s := start(t, c, Request{Command: "exec 1>&- 2>&-; read x; exit ${x}"})
	go func() { keys.Write([]byte("5\n")) }()
	if got := finish(t, s, in); got.exit.Status != 5 {
		t.Errorf("remote end first: %+v", got)
	}
	keys.Close()
}

// The remote program ends while standard input is open and silent.
func TestRemoteEndsFirst(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	in, err := stdio.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if got := do(t, dialSSHD(t), Request{Command: "echo bye; exit 3"}, in); got.exit.Status != 3 || got.stdout != "bye\n" {
		t.Errorf("got %+v", got)
	}
	w.WriteString("k")
	b := make([]byte, 2)
	if n, err := r.Read(b); n != 1 || err != nil || b[0] != 'k' {
		t.Errorf("the next key was eaten: %q, %v", b[:n], err)
	}
}

// Output that nobody reads any more stops the remote program, as with
// "ssh host yes | head".
func TestOutputFails(t *testing.T) {
	s := start(t, dialSSHD(t), Request{Command: "echo kept >&2; yes; exit 6"})
	var errs bytes.Buffer
	exit, err := s.Run(testContext(t), Streams{Stdout: &limited{left: 1000}, Stderr: &errs})
	failed, ok := errors.AsType[*StreamError](err)
	if !ok || failed.Stream != "stdout" || !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("err %v", err)
	}
	// A stock client gives the same status here.
	if exit != (Exit{Status: 6}) || errs.String() != "kept\n" {
		t.Errorf("exit %+v, stderr %q", exit, errs.String())
	}
}

type limited struct{ left int }

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// A stalled Stdout holds back neither Stderr nor another session, and all of
// it comes in the end.
func TestStalledStdout(t *testing.T) {
	c := dialSSHD(t)
	s := start(t, c, Request{Command: "head -c 1000000 /dev/zero; echo alive >&2; head -c 20000000 /dev/zero; exit 4"})
	gate := make(chan struct{})
	out := &gated{gate: gate}
	lines := newLineWriter()
	done := make(chan error)
	var exit Exit
	go func() {
		var err error
		exit, err = s.Run(testContext(t), Streams{Stdout: out, Stderr: lines})
		done <- err
	}()
	if got := lines.next(t); got != "alive" {
		t.Errorf("stderr %q", got)
	}
	if got := do(t, c, Request{Command: "head -c 10000000 /dev/zero | wc -c"}, nil); got.stdout != "10000000\n" {
		t.Errorf("other session: %+v", got)
	}
	close(gate)
	if err := <-done; err != nil || exit.Status != 4 || out.n != 21000000 {
		t.Errorf("%v, %+v, %d bytes", err, exit, out.n)
	}
}

type gated struct {
	gate chan struct{}
	n    int
}

func (g *gated) Write(p []byte) (int, error) {
	<-g.gate
	g.n += len(p)
	return len(p), nil
}

// Ending ctx ends a session whose streams are all stuck, at once.
func TestCancel(t *testing.T) {
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Close()
	defer pw.Close()
	in, err := stdio.NewReader(pr)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	_, ow, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ow.Close()
	out, err := stdio.NewWriter(ow)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	c := dialSSHD(t)
	s := start(t, c, Request{Command: "echo ready >&2; cat /dev/zero"})
	ctx, cancel := context.WithCancel(testContext(t))
	lines := newLineWriter()
	done := make(chan error)
	go func() {
		_, err := s.Run(ctx, Streams{Stdin: in, Stdout: out, Stderr: lines})
		done <- err
	}()
	lines.next(t)
	cancel()
	begin := time.Now()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
	awaitDone(t, s)
	if got := do(t, c, Request{Command: "echo fine"}, nil); got.stdout != "fine\n" {
		t.Errorf("the connection suffered: %+v", got)
	}
}

func TestManySessions(t *testing.T) {
	c := dialSSHD(t, "MaxSessions 20")
	done := make(chan outcome)
	for round := range 2 {
		for i := range 10 {
			go func() { done <- do(t, c, Request{Command: fmt.Sprintf("cat; exit %d", i)}, strings.NewReader("x")) }()
		}
		sum := 0
		for range 10 {
			got := <-done
			sum += got.exit.Status
			if got.stdout != "x" || got.err != nil {
				t.Errorf("round %d: %+v", round, got)
			}
		}
		if sum != 45 {
			t.Errorf("statuses add up to %d", sum)
		}
	}
}
