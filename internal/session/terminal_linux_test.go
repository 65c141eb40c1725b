package session

import (
	"fmt"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"sallyport/internal/stdio"
)

// Typing in a session, ending it, typing again in what started it: no key is
// lost or doubled and the terminal's flags stay, 200 times.
func TestKeysAfterSession(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	fd := int(slave.Fd())
	if _, err := term.MakeRaw(fd); err != nil {
		t.Fatal(err)
	}
	flags := func() int {
		v, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := flags()
	c := dialPeer(t, accepting(func(p *peer) {
		p.next(t, true)
		p.next(t, true)
		b := make([]byte, 10)
		n, _ := p.Read(b)
		p.Write(b[:n])
		p.exitStatus(uint32(n))
	}))
	for i := range 200 {
		s := start(t, c, Request{PTY: &PTY{Term: "xterm"}})
		in, err := stdio.NewReader(slave)
		if err != nil {
			t.Fatal(err)
		}
		typed := fmt.Sprintf("in%d", i%10)
		master.WriteString(typed)
		got := finish(t, s, in)
		in.Close()
		if got.exit.Status != len(typed) || got.stdout != typed {
			t.Fatalf("round %d: %+v", i, got)
		}
		after := fmt.Sprintf("after%d", i%10)
		master.WriteString(after)
		b := make([]byte, 20)
		if n, err := unix.Read(fd, b); string(b[:max(n, 0)]) != after {
			t.Fatalf("round %d: the next reader got %q, %v", i, b[:max(n, 0)], err)
		}
	}
	if after := flags(); after != before {
		t.Errorf("flags %x, were %x", after, before)
	}
}

func TestReadSize(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	if err := pty.Setsize(master, &pty.Winsize{Cols: 81, Rows: 25, X: 640, Y: 480}); err != nil {
		t.Fatal(err)
	}
	cols, rows, w, h, err := ReadSize(slave)
	if err != nil || cols != 81 || rows != 25 || w != 640 || h != 480 {
		t.Error(cols, rows, w, h, err)
	}
	r, w2 := socketpair(t)
	defer r.Close()
	defer w2.Close()
	if _, _, _, _, err := ReadSize(w2); err == nil {
		t.Error("a socket has no size")
	}
}
