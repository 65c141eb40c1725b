package mux

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
)

// pipes returns three standard streams and the far ends of them.
func pipes(t testing.TB) (fds [3]*os.File, stdin, stdout, stderr *os.File) {
	t.Helper()
	var ends [3]*os.File
	for i := range fds {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		fds[i], ends[i] = w, r
		if i == 0 {
			fds[i], ends[i] = r, w
		}
		_ = fds[i].Fd() // makes it blocking, as what a shell hands out
		t.Cleanup(func() { r.Close(); w.Close() })
	}
	return fds, ends[0], ends[1], ends[2]
}

func TestSessionRoundTrip(t *testing.T) {
	conn, wait := serve(t, &shellHandler{}, ServerConfig{})
	ctx := testContext(t)
	c, err := NewClient(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := c.Alive(ctx); err != nil || int(pid) != os.Getpid() {
		t.Fatalf("Alive = %d, %v", pid, err)
	}
	fds, stdin, stdout, stderr := pipes(t)
	s, err := c.Session(ctx, &SessionRequest{Command: "cat; echo $A >&2; exit 7", Env: []string{"A=b"}, EscapeChar: NoEscapeChar}, fds)
	if err != nil {
		t.Fatal(err)
	}
	closeFiles(fds[:])
	stdin.WriteString("hello")
	stdin.Close()
	if out, _ := io.ReadAll(stdout); string(out) != "hello" {
		t.Errorf("standard output %q", out)
	}
	if out, _ := io.ReadAll(stderr); string(out) != "b\n" {
		t.Errorf("standard error %q", out)
	}
	exit, err := s.Wait(ctx, nil)
	if err != nil || exit != (Exit{Known: true, Status: 7}) {
		t.Errorf("Wait = %v, %v", exit, err)
	}
	if err := wait(); err != nil {
		t.Error(err)
	}
}

func TestHold(t *testing.T) {
	conn, _ := serve(t, &shellHandler{}, ServerConfig{})
	c, err := NewClient(testContext(t), conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	held := make(chan error, 1)
	go func() { held <- c.Hold(ctx) }()
	cancel()
	if err := <-held; !errors.Is(err, context.Canceled) {
		t.Errorf("Hold = %v", err)
	}

	ours, theirs := socketPair(t)
	_, _ = theirs.Write(unhex(t, goldenHelloInfo))
	if c, err = NewClient(testContext(t), ours); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	if err := c.Hold(testContext(t)); !errors.Is(err, ErrLost) {
		t.Errorf("Hold = %v", err)
	}
}

// BenchmarkSession measures what the protocol costs a session.
func BenchmarkSession(b *testing.B) {
	path := listenAndServe(b, &shellHandler{openSession: func(_ context.Context, _ *SessionRequest, fds [3]*os.File) (Session, error) {
		return funcSession(func(context.Context, func()) (Exit, error) {
			defer closeFiles(fds[:])
			return Exit{Known: true, Status: 1}, nil
		}), nil
	}})
	null := openNull(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := oneSession(path, null); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProxy measures the data path of proxy mode, there and back.
func BenchmarkProxy(b *testing.B) {
	conn, wait := serveTestProxy(b)
	open := unhex(b, proxyOpen)
	open[19], open[24] = 0x10, 0x80 // a window of 1 MiB, packets of 32 KiB
	_, _ = conn.Write(open)
	expect(b, conn, "open", unhex(b, proxyConfirmed))
	const size = 16 << 10
	packet := newProxyPacket(sshData).uint32(0).uint32(size).raw(make([]byte, size)).packet()
	client := newProxyConn(conn)
	b.SetBytes(size)
	for b.Loop() {
		if _, err := conn.Write(packet); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < size; {
			p, err := client.readPacket()
			if err != nil {
				b.Fatal(err)
			}
			if p[0] == sshData {
				got += len(p) - 9
			}
		}
		_ = client.write(newProxyPacket(sshWindowAdjust).uint32(0).uint32(size).packet())
	}
	conn.Close()
	_ = wait()
}

// TestLost: a client of ours is told why what it was here for has ended.
func TestLost(t *testing.T) {
	want := Lost{"jump: alive: no answer"}
	ctx, end := context.WithCancelCause(testContext(t))
	ours, theirs := socketPair(t)
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, theirs, &shellHandler{}, ServerConfig{}) }()
	c, err := NewClient(testContext(t), ours)
	if err != nil {
		t.Fatal(err)
	}
	end(want)
	if err := c.Hold(testContext(t)); err != error(want) {
		t.Errorf("Hold = %v", err)
	}
	<-served

	conn, _ := serve(t, &shellHandler{openSession: func(_ context.Context, _ *SessionRequest, fds [3]*os.File) (Session, error) {
		return funcSession(func(context.Context, func()) (Exit, error) {
			closeFiles(fds[:])
			return Exit{}, want
		}), nil
	}}, ServerConfig{})
	if c, err = NewClient(testContext(t), conn); err != nil {
		t.Fatal(err)
	}
	fds, _, _, _ := pipes(t)
	s, err := c.Session(testContext(t), &SessionRequest{EscapeChar: NoEscapeChar}, fds)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Wait(testContext(t), nil); err != error(want) {
		t.Errorf("Wait = %v", err)
	}
}
