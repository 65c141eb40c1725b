package forward

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// memory is a stream of given input that keeps what is written.
type memory struct {
	io.Reader
	out    bytes.Buffer
	closed chan struct{}
}

func newMemory(in []byte) *memory {
	return &memory{Reader: bytes.NewReader(in), closed: make(chan struct{})}
}

func (m *memory) Write(p []byte) (int, error) { return m.out.Write(p) }
func (m *memory) CloseWrite() error           { return nil }
func (m *memory) Close() error                { close(m.closed); return nil }

const greeting = "\x05\x01\x00"

func TestSOCKSRequests(t *testing.T) {
	name255 := strings.Repeat("n", 255)
	for _, c := range []struct {
		in     string
		target string
		rest   string
	}{
		{"\x04\x01\x00\x50\x01\x02\x03\x04\x00", "1.2.3.4:80", ""},
		{"\x04\x01\x00\x50\x01\x02\x03\x04user\x00early", "1.2.3.4:80", "early"},
		{"\x04\x01\x00\x50\x00\x00\x00\x01user\x00host.name\x00", "host.name:80", ""},
		{"\x04\x01\x00\x50\x00\x00\x00\xff\x00" + name255 + "\x00", name255 + ":80", ""},
		{"\x04\x01\xff\xff\x00\x00\x00\x00\x00", "0.0.0.0:65535", ""},
		{greeting + "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50", "1.2.3.4:80", ""},
		{greeting + "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50GET /", "1.2.3.4:80", "GET /"},
		{greeting + "\x05\x01\x00\x03\x04host\x01\xbb", "host:443", ""},
		{greeting + "\x05\x01\x00\x03\x071.2.3.4\x01\xbb", "1.2.3.4:443", ""},
		{greeting + "\x05\x01\x00\x03\xff" + name255 + "\x01\xbb", name255 + ":443", ""},
		{greeting + "\x05\x01\x00\x04" + strings.Repeat("\x00", 15) + "\x01\x00\x16", "[::1]:22", ""},
		{"\x05\x03\x01\x02\x00\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50", "1.2.3.4:80", ""},
	} {
		m := newMemory([]byte(c.in))
		q, err := handshake(m, time.Minute)
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if got := q.target.String(); got != c.target || string(q.rest) != c.rest {
			t.Errorf("%q: %s, rest %q", c.in, got, q.rest)
		}
	}
}

func TestSOCKSRefusals(t *testing.T) {
	for _, c := range []struct{ in, answer string }{
		{"", ""},
		{"G", ""},
		{"GET / HTTP/1.0\r\n\r\n", ""},
		{"\x04", ""},
		{"\x04\x01\x00\x50\x01\x02\x03", ""},
		{"\x04\x01\x00\x50\x01\x02\x03\x04user without end", ""},
		{"\x04\x01\x00\x50\x01\x02\x03\x04" + strings.Repeat("u", 300) + "\x00", ""},
		{"\x04\x01\x00\x50\x00\x00\x00\x01\x00" + strings.Repeat("h", 300) + "\x00", ""},
		{"\x04\x02\x00\x50\x01\x02\x03\x04\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00"},
		{"\x04\x01\x00\x00\x01\x02\x03\x04\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00"},
		{"\x04\x01\x00\x50\x00\x00\x00\x01\x00\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00"},
		{"\x05\x00", "\x05\xff"},
		{"\x05\x02\x01\x02", "\x05\xff"},
		{"\x05\xff\x00", ""},
		{greeting, "\x05\x00"},
		{greeting + "\x04\x01\x00\x01\x01\x02\x03\x04\x00\x50", "\x05\x00"},
		{greeting + "\x05\x02\x00\x01\x01\x02\x03\x04\x00\x50", "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"},
		{greeting + "\x05\x03\x00\x01\x01\x02\x03\x04\x00\x50", "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"},
		{greeting + "\x05\x01\x00\x02\x01\x02\x03\x04\x00\x50", "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00"},
		{greeting + "\x05\x01\x00\x03\x00\x00\x50", "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00"},
		{greeting + "\x05\x01\x00\x03\x03a\nb\x00\x50", "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00"},
		{greeting + "\x05\x01\x00\x03\x03a\x00b\x00\x50", "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00"},
		{greeting + "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x00", "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00"},
		{greeting + "\x05\x01\x00\x03\x09short", "\x05\x00"},
	} {
		m := newMemory([]byte(c.in))
		q, err := handshake(m, time.Minute)
		var own *SOCKSError
		if !errors.As(err, &own) {
			t.Errorf("%q: %+v, %v", c.in, q, err)
		}
		if got := m.out.String(); got != c.answer {
			t.Errorf("%q: answer %q, want %q", c.in, got, c.answer)
		}
	}
}

// TestSOCKSSlow sends nothing, or a byte now and then: the limit is for the
// whole.
func TestSOCKSSlow(t *testing.T) {
	sshtest.LeakCheck(t)
	for _, sent := range []string{"", "\x05", "\x04\x01", greeting} {
		near, far := pair(t)
		near.Write([]byte(sent))
		began := time.Now()
		_, err := handshake(far, 50*time.Millisecond)
		var own *SOCKSError
		if !errors.As(err, &own) || !strings.Contains(err.Error(), "50ms") || time.Since(began) > patience {
			t.Errorf("%q: %v after %v", sent, err, time.Since(began))
		}
		near.Close()
	}
}

func FuzzSOCKS(f *testing.F) {
	f.Add([]byte("\x04\x01\x00\x50\x00\x00\x00\x01user\x00host\x00rest"))
	f.Add([]byte(greeting + "\x05\x01\x00\x03\x04host\x01\xbbrest"))
	f.Add([]byte(greeting + "\x05\x01\x00\x04" + strings.Repeat("\x00", 16) + "\x00\x16"))
	f.Fuzz(func(t *testing.T, in []byte) {
		m := newMemory(in)
		q, err := handshake(m, time.Hour)
		if err != nil {
			var own *SOCKSError
			if !errors.As(err, &own) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if q.target.host == "" || len(q.target.host) > 255 || q.target.port < 1 || q.target.port > 65535 {
			t.Fatalf("%+v", q.target)
		}
		unread, _ := io.ReadAll(m)
		if got := append(q.rest, unread...); !bytes.HasSuffix(in, got) {
			t.Fatalf("rest %q of %q", got, in)
		}
	})
}

// client4 and client5 speak SOCKS for a test, and give the answer's code.
func client4(c Stream, host string, port int) (code byte, err error) {
	m := binary.BigEndian.AppendUint16([]byte{4, 1}, uint16(port))
	if ip, parseErr := netip.ParseAddr(host); parseErr == nil {
		m = append(append(m, ip.AsSlice()...), "me\x00"...)
	} else {
		m = append(append(m, 0, 0, 0, 7), "me\x00"+host+"\x00"...)
	}
	if _, err := c.Write(m); err != nil {
		return 0, err
	}
	var answer [8]byte
	_, err = io.ReadFull(c, answer[:])
	return answer[1], err
}

func client5(c Stream, host string, port int) (code byte, err error) {
	m := []byte(greeting + "\x05\x01\x00")
	ip, parseErr := netip.ParseAddr(host)
	switch {
	case parseErr != nil:
		m = append(append(m, 3, byte(len(host))), host...)
	case ip.Is4():
		m = append(append(m, 1), ip.AsSlice()...)
	default:
		m = append(append(m, 4), ip.AsSlice()...)
	}
	if _, err := c.Write(binary.BigEndian.AppendUint16(m, uint16(port))); err != nil {
		return 0, err
	}
	var answer [12]byte
	if _, err = io.ReadFull(c, answer[:]); err == nil && answer[0] != 5 || answer[1] != 0 {
		err = fmt.Errorf("method answer %x", answer[:2])
	}
	return answer[3], err
}

// TestDynamic drives -D and -R of a port through a real sshd.
func TestDynamic(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	peer4 := listenPeer(t, "tcp", "127.0.0.1:0", digest).Addr().(*net.TCPAddr)
	peer6 := listenPeer(t, "tcp", "[::1]:0", digest).Addr().(*net.TCPAddr)
	remote, err := s.incoming.Listen(t.Context(), to(":0"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	local := listenLocal(t, s.client, to(":0"), Options{})
	for name, state := range map[string]func() State{"local": local.State, "remote": remote.State} {
		type dialSOCKS func(Stream, string, int) (byte, error)
		for _, c := range []struct {
			what string
			dial dialSOCKS
			ok   byte
			host string
			port int
		}{
			{"socks4", client4, reply4Granted, "127.0.0.1", peer4.Port},
			{"socks4a", client4, reply4Granted, "localhost", peer4.Port},
			{"socks5 ipv4", client5, reply5Granted, "127.0.0.1", peer4.Port},
			{"socks5 ipv6", client5, reply5Granted, "::1", peer6.Port},
			{"socks5 name", client5, reply5Granted, "localhost", peer4.Port},
		} {
			t.Run(name+" "+c.what, func(t *testing.T) {
				conn := dialPeer(t, state().Listen[0])
				if code, err := c.dial(conn, c.host, c.port); code != c.ok || err != nil {
					t.Fatalf("answer %d, %v", code, err)
				}
				talkToDigest(t, conn, randomBytes(70_000))
			})
		}
		t.Run(name+" refused", func(t *testing.T) {
			refused := to(sshtest.RefusedPort(t))
			conn := dialPeer(t, state().Listen[0])
			defer conn.Close()
			code, err := client5(conn, refused.ConnectHost, refused.ConnectPort)
			if err != nil || code == reply5Granted {
				t.Errorf("answer %d, %v", code, err)
			}
			if _, err := io.ReadAll(conn); err != nil {
				t.Error(err)
			}
			await(t, "failure is counted", func() bool { return state().Failed == 1 })
			if msg := state().LastError; !strings.Contains(strings.ToLower(msg), "connection refused") {
				t.Errorf("last error %q", msg)
			}
		})
		t.Run(name+" garbage", func(t *testing.T) {
			conn := dialPeer(t, state().Listen[0])
			defer conn.Close()
			conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			if got, _ := io.ReadAll(conn); len(got) > 0 {
				t.Errorf("got %q", got)
			}
			await(t, "failure is counted", func() bool { return state().Failed == 2 })
		})
	}
}

func TestPermitRemoteOpen(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	peer := listenPeer(t, "tcp", "127.0.0.1:0", digest).Addr().(*net.TCPAddr)
	for _, c := range []struct {
		patterns []string
		code     byte
	}{
		{[]string{"any"}, reply5Granted},
		{[]string{"none"}, reply5NotAllowed},
		{[]string{"other:1", fmt.Sprintf("127.0.0.1:%d", peer.Port)}, reply5Granted},
		{[]string{"127.0.0.1:1"}, reply5NotAllowed},
	} {
		r, err := s.incoming.Listen(t.Context(), to(":0"), Options{PermitRemoteOpen: c.patterns})
		if err != nil {
			t.Fatal(err)
		}
		conn := dialPeer(t, r.State().Listen[0])
		code, err := client5(conn, "127.0.0.1", peer.Port)
		if err != nil || code != c.code {
			t.Errorf("%q: answer %d, %v", c.patterns, code, err)
		}
		conn.Close()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestPermitted(t *testing.T) {
	for _, c := range []struct {
		patterns string
		target   target
		want     bool
	}{
		{"", target{host: "h", port: 1}, true},
		{"any", target{host: "h", port: 1}, true},
		{"none", target{host: "h", port: 1}, false},
		{"h:1", target{host: "h", port: 1}, true},
		{"h:1", target{host: "h", port: 2}, false},
		{"h:1", target{host: "H", port: 1}, false},
		{"h:*", target{host: "h", port: 2}, true},
		{"*:1", target{host: "h", port: 1}, true},
		{"*:1", target{host: "h", port: 2}, false},
		{"*.example:1", target{host: "a.example", port: 1}, false},
		{"a:1 [::1]:2", target{host: "::1", port: 2}, true},
		{"h", target{host: "h", port: 1}, false},
	} {
		if got := permitted(strings.Fields(c.patterns), c.target); got != c.want {
			t.Errorf("%q %v: %v", c.patterns, c.target, got)
		}
	}
}
