package forward

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// TestLimit: what does not fit waits, is served when something ends, and the
// forward tells so; another forward with the same limit has its part.
func TestLimit(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	echo := to(listenPeer(t, "tcp", "127.0.0.1:0", func(c Stream) { io.Copy(c, c); c.CloseWrite() }).Addr().String())
	limit := NewLimit(6)
	l := listenLocal(t, s.client, echo, Options{Limit: limit})
	other := listenLocal(t, s.client, echo, Options{Limit: limit})
	speaks := func(c net.Conn, within time.Duration) bool {
		io.WriteString(c, "x")
		c.SetReadDeadline(time.Now().Add(within))
		_, err := io.ReadFull(c, make([]byte, 1))
		return err == nil
	}
	var held []net.Conn
	for range 3 {
		c := dialPeer(t, l.State().Listen[0]).(net.Conn)
		if !speaks(c, patience) {
			t.Fatal("a connection that fits is not served")
		}
		held = append(held, c)
	}
	waiting := dialPeer(t, l.State().Listen[0]).(net.Conn)
	if speaks(waiting, 200*time.Millisecond) {
		t.Fatal("one too many is served")
	}
	if st := l.State(); st.Active != 3 || !strings.Contains(st.LastError, "3 connections at a time") {
		t.Errorf("%+v", st)
	}
	second := dialPeer(t, other.State().Listen[0]).(net.Conn)
	if !speaks(second, patience) {
		t.Error("the other forward has no part")
	}
	held[0].Close()
	waiting.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(waiting, make([]byte, 1)); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
	// Closing does not wait for a seat.
	late := dialPeer(t, l.State().Listen[0]).(net.Conn)
	if speaks(late, 50*time.Millisecond) {
		t.Error("one too many is served")
	}
	l.Close()
	for _, c := range append(held, waiting, second, late) {
		c.Close()
	}
}
