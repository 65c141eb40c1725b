package mux

import (
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
