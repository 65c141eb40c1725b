package hop

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshtest"
)

// sending serves sessions, each of which gets size bytes and the end.
func sending(size int) func(*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request) {
	return func(_ *ssh.ServerConn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
		go ssh.DiscardRequests(requests)
		for offer := range channels {
			ch, requests, err := offer.Accept()
			if err != nil {
				return
			}
			go ssh.DiscardRequests(requests)
			go func() {
				chunk := bytes.Repeat([]byte("0123456789abcdef"), 2<<10)
				for left := size; left > 0; left -= len(chunk) {
					if _, err := ch.Write(chunk[:min(left, len(chunk))]); err != nil {
						return
					}
				}
				ch.Close()
			}()
		}
	}
}

// bulkChannel is a channel over which size bytes come.
func bulkChannel(t *testing.T, size int) (*Conn, *paced) {
	t.Helper()
	s := newServer(t, nil)
	s.serve = sending(size)
	c, err := dialHop(t, s.hop(t), answers())
	if err != nil {
		t.Fatal(err)
	}
	ch, requests, err := c.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	p, ok := ch.(*paced)
	if !ok {
		t.Fatalf("%T is not paced", ch)
	}
	return c, p
}

// fullWindow is x/crypto's.
const fullWindow = 2 << 20

func TestWindowOfAChannel(t *testing.T) {
	sshtest.LeakCheck(t)
	_, p := bulkChannel(t, fullWindow+1)
	await(t, "a window that is used up", func() bool { return p.window() == 0 })
	if _, err := io.ReadFull(p, make([]byte, fullWindow)); err != nil {
		t.Fatal(err)
	}
	await(t, "a window that is open again", func() bool { return p.window() > fullWindow/2 })
	if windowOf(nil) != nil {
		t.Error("nothing has a window")
	}
}

// TestBulkWhileTyping: all of it arrives, and meanwhile the server has no more
// under way than the path needs; when nobody types it has the whole window.
func TestBulkWhileTyping(t *testing.T) {
	sshtest.LeakCheck(t)
	const size = 32 << 20
	for _, typed := range []bool{false, true} {
		c, p := bulkChannel(t, size)
		got, within, over := 0, 0, 0
		b := make([]byte, 64<<10)
		for {
			if typed {
				c.Typed()
			}
			n, err := p.Read(b)
			if got += n; err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.window() <= p.limit() {
				within++
			} else {
				over++
			}
		}
		if got != size {
			t.Errorf("typed %v: %d bytes of %d", typed, got, size)
		}
		// The path holds next to nothing, so the limit is a small part of the window.
		if typed != (within > over) {
			t.Errorf("typed %v: within the limit %d times, over it %d times", typed, within, over)
		}
	}
}

// TestPacedToTheEnd: what a server has sent before it fell silent is read, also
// while the connection is never quiet.
func TestPacedToTheEnd(t *testing.T) {
	sshtest.LeakCheck(t)
	const size = fullWindow / 2 // most of its window is left
	c, p := bulkChannel(t, size)
	await(t, "all that comes", func() bool { return p.window() == fullWindow-size })
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = c.Ping(context.Background())
			}
		}
	}()
	got, begun := 0, time.Now()
	for b := make([]byte, 64<<10); got < size && time.Since(begun) < typing; {
		c.Typed()
		n, err := p.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	if got < size {
		t.Errorf("%d bytes of %d in %v", got, size, typing)
	}
}

// TestPaceIsOfTheWholeTree: who types behind a jump host slows what else runs
// through it, and nobody elsewhere; and a tunnel is never slowed.
func TestPaceIsOfTheWholeTree(t *testing.T) {
	sshtest.LeakCheck(t)
	jump, target := newServer(t, nil), newServer(t, nil)
	jump.serve = forwarding
	via, err := dialHop(t, jump.hop(t), answers())
	if err != nil {
		t.Fatal(err)
	}
	other, err := dialHop(t, jump.hop(t), answers())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := Dial(ctx, Config{Hop: target.hop(t), Via: via, ViaName: "jump", Asker: answers()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { c.Close(); _ = c.Wait() }()
	c.Typed()
	if !via.presence.isTyping() || other.presence.isTyping() {
		t.Errorf("the jump host knows %v, another connection %v", via.presence.isTyping(), other.presence.isTyping())
	}
	tunnelled, err := dialTunnel(ctx, via, "127.0.0.1", target.addr.Port)
	if err != nil {
		t.Fatal(err)
	}
	defer tunnelled.Close()
	if _, slowed := tunnelled.(*tunnel).Channel.(*paced); slowed {
		t.Error("a tunnel is paced")
	}
}
