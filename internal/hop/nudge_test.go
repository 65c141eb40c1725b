package hop

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshtest"
)

// forwarding serves a jump host: it connects to wherever it is asked to.
func forwarding(_ *ssh.ServerConn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	go ssh.DiscardRequests(requests)
	for offer := range channels {
		var to directTCPIP
		if err := ssh.Unmarshal(offer.ExtraData(), &to); err != nil {
			_ = offer.Reject(ssh.ConnectionFailed, err.Error())
			continue
		}
		conn, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.ParseIP(to.Host), Port: int(to.Port)})
		if err != nil {
			_ = offer.Reject(ssh.ConnectionFailed, err.Error())
			continue
		}
		ch, requests, err := offer.Accept()
		if err != nil {
			conn.Close()
			continue
		}
		go ssh.DiscardRequests(requests)
		go func() { _, _ = io.Copy(conn, ch); conn.Close() }()
		go func() { _, _ = io.Copy(ch, conn); ch.Close() }()
	}
}

// TestNudge: a nudge is a packet that wants no answer, for what was received on a
// tunnelled hop only, and for much of it there are few.
func TestNudge(t *testing.T) {
	sshtest.LeakCheck(t)
	jump, target := newServer(t, nil), newServer(t, nil)
	jump.serve = forwarding
	var got atomic.Int32
	target.serve = func(_ *ssh.ServerConn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
		go func() {
			for r := range requests {
				if r.Type == keepalive && !r.WantReply {
					got.Add(1)
				}
				if r.WantReply {
					_ = r.Reply(false, nil)
				}
			}
		}()
		for offer := range channels {
			_ = offer.Reject(ssh.Prohibited, "no")
		}
	}
	ping := func(c *Conn) {
		t.Helper()
		if _, err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	direct, err := dialHop(t, target.hop(t), answers())
	if err != nil {
		t.Fatal(err)
	}
	ping(direct)
	ping(direct) // what the first one's answer led to would be there by now
	if got.Load() != 0 {
		t.Errorf("directly: %d nudges", got.Load())
	}
	via, err := dialHop(t, jump.hop(t), answers())
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(t.Context(), Config{Hop: target.hop(t), Via: via, ViaName: "jump", Asker: answers()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { c.Close(); _ = c.Wait() }()
	await(t, "a nudge for the handshake", func() bool { return got.Load() > 0 })
	before := got.Load()
	ping(c)
	await(t, "a nudge for an answer", func() bool { return got.Load() > before })
	before = got.Load()
	begun := time.Now()
	for range 200 {
		ping(c)
	}
	most := nudgeBurst + int32(time.Since(begun)/nudgeInterval) + 1
	if n := got.Load() - before; n < 1 || n > most {
		t.Errorf("%d nudges for 200 answers, want 1 to %d", n, most)
	}
}
