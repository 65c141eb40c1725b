package sshtest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// talk connects, sends data, half-closes and reads to the end.
func talk(addr string, data []byte, within time.Duration) ([]byte, error) {
	c, err := net.DialTimeout("tcp", addr, within)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(within))
	go func() {
		c.Write(data)
		c.(*net.TCPConn).CloseWrite()
	}()
	return io.ReadAll(c)
}

// echoPeer sends back what it gets.
func echoPeer(t *testing.T) *Peer {
	return NewPeer(t, func(c net.Conn) { io.Copy(c, c) })
}

func TestSilentPeers(t *testing.T) {
	LeakCheck(t)
	for name, p := range map[string]*Peer{"": SilentPeer(t), banner: SilentAfterBanner(t)} {
		c, err := net.Dial("tcp", p.Addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(soon))
		got := make([]byte, len(name))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != name {
			t.Errorf("heard %q, %v; want %q", got, err, name)
		}
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if got, err := io.ReadAll(c); len(got) > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("heard %q, %v; want silence", got, err)
		}
		if p.Connections() != 1 || p.Open() != 1 {
			t.Errorf("%d connections, %d open", p.Connections(), p.Open())
		}
		c.Close()
		if !poll(soon, func() bool { return p.Open() == 0 }) {
			t.Error("the peer does not notice the end")
		}
	}
}

func TestGarbageAndEndlessPeers(t *testing.T) {
	LeakCheck(t)
	if got, err := talk(GarbagePeer(t, []byte("\x00\xffno ssh")).Addr, nil, soon); string(got) != "\x00\xffno ssh" || err != nil {
		t.Errorf("garbage: %q, %v", got, err)
	}
	c, err := net.Dial("tcp", EndlessPeer(t, []byte("blah\n")).Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := io.CopyN(io.Discard, c, 1<<20); err != nil {
		t.Errorf("endless: %d bytes, %v", n, err)
	}
}

func TestResetAfterBanner(t *testing.T) {
	got, err := talk(ResetAfterBanner(t).Addr, []byte("SSH-2.0-me\r\n"), soon)
	if string(got) != banner && len(got) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRefusedPort(t *testing.T) {
	if _, err := net.Dial("tcp", RefusedPort(t)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
}

func TestBlackHoleTimesOut(t *testing.T) {
	LeakCheck(t)
	addr := BlackHole(t)
	for range 3 {
		start := time.Now()
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) && !os.IsTimeout(err) {
			t.Errorf("connected or refused after %v: %v", time.Since(start), err)
		}
	}
}

func TestProxyPassesEverything(t *testing.T) {
	LeakCheck(t)
	p := NewProxy(t, echoPeer(t).Addr)
	data := make([]byte, 4<<20)
	rand.Read(data)
	got, err := talk(p.Addr, data, 20*time.Second)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes, %v", len(got), len(data), err)
	}
	if p.Bytes() != 2*int64(len(data)) || p.Connections() != 1 {
		t.Errorf("counted %d bytes, %d connections", p.Bytes(), p.Connections())
	}
}

func TestProxyDelays(t *testing.T) {
	p := NewProxy(t, echoPeer(t).Addr)
	p.Delay(200 * time.Millisecond)
	start := time.Now()
	if _, err := talk(p.Addr, []byte("ping"), soon); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d < 200*time.Millisecond {
		t.Errorf("round trip of %v", d)
	}
}

func TestProxyStallsAndResumes(t *testing.T) {
	p := NewProxy(t, echoPeer(t).Addr)
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	exchange := func(within time.Duration) error {
		c.SetDeadline(time.Now().Add(within))
		_, err := io.ReadFull(c, make([]byte, 4))
		return err
	}
	io.WriteString(c, "ping")
	if err := exchange(soon); err != nil {
		t.Fatal(err)
	}
	p.Stall()
	io.WriteString(c, "ping")
	if err := exchange(100 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("stalled: %v", err)
	}
	p.Resume()
	if err := exchange(soon); err != nil {
		t.Errorf("resumed: %v", err)
	}
	p.Stall() // must not keep the test from ending
}

func TestProxyResets(t *testing.T) {
	p := NewProxy(t, echoPeer(t).Addr)
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "x")
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p.Reset()
	c.SetDeadline(time.Now().Add(soon))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}
}

func TestProxyFlipsOneBit(t *testing.T) {
	p := NewProxy(t, echoPeer(t).Addr)
	p.FlipBit(3)
	for _, want := range []string{"aaqa", "aaaa"} {
		if got, err := talk(p.Addr, []byte("aaaa"), soon); string(got) != want || err != nil {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

func TestBitFlipBreaksSSH(t *testing.T) {
	c := NewChain(t, HostConfig{Name: "host"})
	p := NewProxy(t, c.Host("host").Addr)
	p.FlipBit(20_000)
	ip, port, _ := net.SplitHostPort(p.Addr)
	_, errOut, status := run(t, c, "-o", "HostName="+ip, "-p", port, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"host", "head -c 100000 /dev/zero")
	if status != 255 || !strings.Contains(errOut, "incorrect") {
		t.Errorf("status %d: %s", status, errOut)
	}
}
