package stdio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

func TestMain(m *testing.M) {
	if os.Getenv("STDIO_TEST_CHILD") != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

// flags are the file status flags that all holders of f share.
func flags(t testing.TB, f *os.File) int {
	t.Helper()
	var v int
	if err := withFd(f, func(fd int) (err error) {
		v, err = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return v
}

// shared returns f's description under a descriptor that Go knows nothing of,
// as one that was passed over a socket.
func shared(t testing.TB, f *os.File) *os.File {
	t.Helper()
	var fd int
	if err := withFd(f, func(old int) (err error) {
		fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 3)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	g := os.NewFile(uintptr(fd), f.Name())
	t.Cleanup(func() { g.Close() })
	return g
}

// pair is one kind of descriptor: what is written to in comes out of out.
type pair struct {
	name    string
	in, out *os.File
	polled  bool // do not use a description of our own
}

func rawPipe(t testing.TB) (r, w *os.File) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(p[0]), "r"), os.NewFile(uintptr(p[1]), "w")
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func rawSocketpair(t testing.TB) (a, b *os.File) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b = os.NewFile(uintptr(p[0]), "a"), os.NewFile(uintptr(p[1]), "b")
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// rawPty returns a pseudo-terminal in raw mode.
func rawPty(t testing.TB) (master, slave *os.File) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); slave.Close() })
	fd := -1
	withFd(slave, func(n int) error { fd = n; return nil })
	if _, err := term.MakeRaw(fd); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// pairs are all kinds that can block.
func pairs(t *testing.T) []pair {
	pr, pw := rawPipe(t)
	qr, qw := rawPipe(t)
	sr, sw := rawSocketpair(t)
	master, slave := rawPty(t)
	master2, slave2 := rawPty(t)
	master3, slave3 := rawPty(t)
	return []pair{
		{"pipe", pw, pr, false},
		{"pipe, polled", qw, qr, true},
		{"socket", sw, sr, false},
		{"terminal", master, shared(t, slave), false},
		{"terminal, polled", master2, shared(t, slave2), true},
		{"terminal's master", slave3, shared(t, master3), false},
	}
}

func (p pair) reader(t testing.TB) *Reader {
	t.Helper()
	r, err := NewReader(p.out)
	if err != nil {
		t.Fatal(err)
	}
	r.e = p.endpoint(t, r.e, p.out, false)
	return r
}

func (p pair) writer(t testing.TB) *Writer {
	t.Helper()
	w, err := NewWriter(p.in)
	if err != nil {
		t.Fatal(err)
	}
	w.e = p.endpoint(t, w.e, p.in, true)
	return w
}

// endpoint checks that e is what is expected for p, or replaces it.
func (p pair) endpoint(t testing.TB, e endpoint, f *os.File, write bool) endpoint {
	t.Helper()
	if !p.polled {
		return e
	}
	e.close()
	withFd(f, func(fd int) (err error) {
		k, _, _ := classify(fd, write)
		e, err = openPolled(fd, k, write)
		if err != nil {
			t.Fatal(err)
		}
		return nil
	})
	return e
}

func TestKinds(t *testing.T) {
	for _, p := range pairs(t) {
		r, w := p.reader(t), p.writer(t)
		if _, own := r.e.(*owned); own == (p.polled || p.name == "socket" || p.name == "terminal's master") {
			t.Errorf("%s: read through %T", p.name, r.e)
		}
		r.Close()
		w.Close()
	}
}

func TestFlagsUnchangedAndCancel(t *testing.T) {
	for _, p := range pairs(t) {
		t.Run(p.name, func(t *testing.T) {
			inFlags, outFlags := flags(t, p.in), flags(t, p.out)
			for i := range 50 {
				cancelPendingRead(t, p, i)
			}
			w := p.writer(t)
			defer w.Close()
			if _, err := w.Write([]byte("after")); err != nil {
				t.Fatal(err)
			}
			r := p.reader(t)
			defer r.Close()
			got := make([]byte, 5)
			if _, err := io.ReadFull(r, got); err != nil || string(got) != "after" {
				t.Fatalf("read %q, %v", got, err)
			}
			if flags(t, p.in) != inFlags || flags(t, p.out) != outFlags {
				t.Errorf("flags %x %x, were %x %x", flags(t, p.in), flags(t, p.out), inFlags, outFlags)
			}
		})
	}
}

// cancelPendingRead reads one key, leaves a read pending, cancels it and
// types another key: it must be there for a plain reader of the descriptor.
func cancelPendingRead(t *testing.T, p pair, i int) {
	t.Helper()
	r := p.reader(t)
	defer r.Close()
	type result struct {
		n   int
		err error
	}
	results := make(chan result)
	first := make(chan struct{})
	go func() {
		b := make([]byte, 100)
		n, err := r.Read(b)
		close(first)
		if n != 1 || err != nil {
			t.Errorf("first read: %d, %v", n, err)
		}
		n, err = r.Read(b)
		results <- result{n, err}
	}()
	p.in.Write([]byte{'a'})
	<-first
	start := time.Now()
	r.Cancel()
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("cancel took %v", d)
	}
	key := byte('b' + i%20)
	p.in.Write([]byte{key})
	if res := <-results; res.n != 0 || !errors.Is(res.err, ErrCanceled) {
		t.Fatalf("canceled read: %d, %v", res.n, res.err)
	}
	var b [10]byte
	withFd(p.out, func(fd int) error {
		if n, err := unix.Read(fd, b[:]); n != 1 || err != nil || b[0] != key {
			t.Fatalf("round %d: the next reader got %q, %v, not %q", i, b[:max(n, 0)], err, key)
		}
		return nil
	})
}

// 200 sessions on one terminal, each ended while a read was pending.
func TestNoKeyEaten(t *testing.T) {
	master, slave := rawPty(t)
	p := pair{"terminal", master, shared(t, slave), false}
	before := flags(t, p.out)
	for i := range 200 {
		cancelPendingRead(t, p, i)
	}
	if after := flags(t, p.out); after != before {
		t.Errorf("flags %x, were %x", after, before)
	}
}

// A writer whose other side does not read must be canceled at once, and say
// how much it wrote.
func TestCancelStalledWriter(t *testing.T) {
	for _, p := range pairs(t) {
		t.Run(p.name, func(t *testing.T) {
			if p.name == "terminal, polled" {
				// A blocking write may start when there is a little room only.
				t.Skip("documented: bounded by the chunk, not by time")
			}
			w := p.writer(t)
			defer w.Close()
			before := flags(t, p.in)
			data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
			done := make(chan int)
			go func() {
				n, err := w.Write(data)
				if !errors.Is(err, ErrCanceled) {
					t.Errorf("write: %d, %v", n, err)
				}
				done <- n
			}()
			waitFull(p)
			w.Cancel()
			n := <-done
			got := drain(t, p.out)
			if n >= len(data) || !bytes.Equal(got, data[:n]) {
				t.Errorf("wrote %d, read %d", n, len(got))
			}
			if flags(t, p.in) != before {
				t.Error("flags changed")
			}
		})
	}
}

// waitFull waits until data has come through to out, and then a moment for in
// to fill: a pseudo-terminal may say that it has room when it has not.
func waitFull(p pair) {
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(time.Millisecond) {
		if isReady(p.out, false) && (!isReady(p.in, true) || time.Since(start) > 100*time.Millisecond) {
			return
		}
	}
}

func isReady(f *os.File, write bool) (yes bool) {
	withFd(f, func(fd int) error { yes = ready(fd, write); return nil })
	return yes
}

// drain reads what is there.
func drain(t *testing.T, f *os.File) []byte {
	var got []byte
	b := make([]byte, 1<<16)
	withFd(f, func(fd int) error {
		for ready(fd, false) {
			n, err := unix.Read(fd, b)
			if err != nil || n == 0 {
				break
			}
			got = append(got, b[:n]...)
		}
		return nil
	})
	return got
}

func TestBulk(t *testing.T) {
	for _, p := range pairs(t) {
		t.Run(p.name, func(t *testing.T) {
			r, w := p.reader(t), p.writer(t)
			defer r.Close()
			defer w.Close()
			want := make([]byte, 1<<20)
			for i := range want {
				want[i] = byte(i * 7 >> 3)
			}
			go w.Write(want)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("not what was written: %v", err)
			}
		})
	}
}

func TestEOF(t *testing.T) {
	for _, p := range pairs(t) {
		t.Run(p.name, func(t *testing.T) {
			r := p.reader(t)
			defer r.Close()
			p.in.Write([]byte("x"))
			b := make([]byte, 10)
			if n, err := r.Read(b); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if p.name == "terminal's master" {
				return // the slave stays open in the fixture
			}
			p.in.Close()
			if n, err := r.Read(b); n != 0 || err != io.EOF {
				t.Fatalf("at the end: %d, %v", n, err)
			}
		})
	}
}

func TestEPIPE(t *testing.T) {
	for _, p := range pairs(t) {
		if p.name[0] == 't' {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			w := p.writer(t)
			defer w.Close()
			p.out.Close()
			if _, err := w.Write(make([]byte, 1000)); !errors.Is(err, syscall.EPIPE) {
				t.Fatalf("got %v", err)
			}
			// Nobody reads from the start: a pipe cannot be opened again then.
			w2, err := NewWriter(p.in)
			if err != nil {
				t.Fatal(err)
			}
			defer w2.Close()
			if _, err := w2.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestWrongDirection(t *testing.T) {
	pr, pw := rawPipe(t)
	if _, err := pw.WriteString("secret"); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(pw)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, syscall.EBADF) {
		t.Errorf("reading the write end: %d, %v", n, err)
	}
	w, err := NewWriter(pr)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write([]byte("x")); !errors.Is(err, syscall.EBADF) {
		t.Errorf("writing the read end: %v", err)
	}
}

func TestClosed(t *testing.T) {
	closed, _ := rawPipe(t)
	closed.Close()
	if _, err := NewReader(closed); err == nil {
		t.Error("a file that we closed ourselves must be an error")
	}
	for _, f := range []*os.File{nil, os.NewFile(1<<20, "closed by the parent")} {
		r, err := NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, syscall.EBADF) {
			t.Errorf("read: %v", err)
		}
		r.Close()
		w, err := NewWriter(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, syscall.EBADF) {
			t.Errorf("write: %v", err)
		}
		w.Close()
	}
}

func TestRegularFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := NewWriter(shared(t, f))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i := range 3 {
		fmt.Fprintf(w, "line %d\n", i)
	}
	// The offset is shared, as a shell's redirection of two programs needs.
	f.WriteString("line 3\n")
	f.Seek(7, io.SeekStart)
	r, err := NewReader(shared(t, f))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "line 1\nline 2\nline 3\n" {
		t.Errorf("%q, %v", got, err)
	}
	r.Cancel()
	if _, err := r.Read(make([]byte, 1)); err != ErrCanceled {
		t.Errorf("after cancel: %v", err)
	}
}

func TestDevNull(t *testing.T) {
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "/dev/null")
	defer f.Close()
	r, err := NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
	w, err := NewWriter(f)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if n, err := w.Write(make([]byte, 100)); n != 100 || err != nil {
		t.Error(n, err)
	}
}

func TestCloseFreesDescriptors(t *testing.T) {
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	ps := pairs(t)
	before := count()
	for range 10 {
		for _, p := range ps {
			p.reader(t).Close()
			p.writer(t).Close()
		}
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors, were %d", after, before)
	}
}
