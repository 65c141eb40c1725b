package mux

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The bytes in this file were written by hand from PROTOCOL.mux: a length, a
// type, then fields.

// unhex reads hexadecimal groups, and text in single quotes.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var b []byte
	for _, field := range strings.Fields(s) {
		if text, ok := strings.CutPrefix(field, "'"); ok {
			b = append(b, strings.TrimSuffix(text, "'")...)
			continue
		}
		part, err := hex.DecodeString(field)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, part...)
	}
	return b
}

const goldenHelloInfo = "00000015 00000001 00000004 00000004 'info' 00000001 '0'"

var goldenRequests = []struct {
	name, bytes string
	fds         int
	encoded     func() []byte
}{
	{"session", "00000042 10000002 00000007 00000000 00000001 00000000 00000001 00000000 0000007e" +
		" 00000005 'xterm' 00000005 'ls' 20 '-l' 00000004 'A=b=' 00000004 'LC=C'", 3,
		(&SessionRequest{TTY: true, Agent: true, EscapeChar: '~', Term: "xterm", Command: "ls -l",
			Env: []string{"A=b=", "LC=C"}}).golden},
	{"subsystem", "0000002d 10000002 00000007 00000000 00000000 00000001 00000000 00000001 ffffffff" +
		" 00000000 00000005 'sftp2'", 3,
		(&SessionRequest{X11: true, Subsystem: true, EscapeChar: NoEscapeChar, Command: "sftp2"}).golden},
	{"stdio forward", "00000017 10000008 00000007 00000000 00000003 'web' 00000050", 2,
		(&StdioForwardRequest{Host: "web", Port: 80}).golden},
	{"stdio forward to a path", "00000016 10000008 00000007 00000000 00000002 '/s' fffffffe", 2,
		(&StdioForwardRequest{Path: "/s"}).golden},
	{"open local forward", "0000001f 10000006 00000007 00000001 00000000 00000050 00000003 'web' 00000051", 0,
		Forward{Kind: ForwardLocal, ListenPort: 80, ConnectHost: "web", ConnectPort: 81}.golden},
	{"open dynamic forward", "00000022 10000006 00000007 00000003 00000001 '*' 00000438 00000005 'socks' 00000000", 0,
		Forward{Kind: ForwardDynamic, ListenHost: "*", ListenPort: 1080, ConnectHost: "socks"}.golden},
	{"open remote forward of paths", "00000020 10000006 00000007 00000002 00000002 '/a' fffffffe 00000002 '/b' fffffffe", 0,
		Forward{Kind: ForwardRemote, ListenPath: "/a", ConnectPath: "/b"}.golden},
}

func (r *SessionRequest) golden() []byte      { return r.encode(7) }
func (r *StdioForwardRequest) golden() []byte { return r.encode(7) }
func (f Forward) golden() []byte              { return f.encode(reqOpenForward, 7) }

func TestGoldenEncoding(t *testing.T) {
	for _, tt := range goldenRequests {
		if got, want := tt.encoded(), unhex(t, tt.bytes); !bytes.Equal(got, want) {
			t.Errorf("%s:\ngot  %x\nwant %x", tt.name, got, want)
		}
	}
}

func TestGoldenDecoding(t *testing.T) {
	for _, tt := range goldenRequests {
		d := &decoder{b: unhex(t, tt.bytes)[4:]}
		kind, id := d.uint32(), d.uint32()
		var again []byte
		switch kind {
		case reqNewSession:
			r, err := decodeSession(d)
			if err != nil {
				t.Fatal(tt.name, err)
			}
			again = r.encode(id)
		case reqStdioForward:
			r, err := decodeStdioForward(d)
			if err != nil {
				t.Fatal(tt.name, err)
			}
			again = r.encode(id)
		default:
			f, err := decodeForward(d)
			if err != nil {
				t.Fatal(tt.name, err)
			}
			again = f.encode(kind, id)
		}
		if want := tt.encoded(); !bytes.Equal(again, want) {
			t.Errorf("%s:\ngot  %x\nwant %x", tt.name, again, want)
		}
	}
}

// TestGoldenReplies sends requests as bytes and wants replies as bytes.
func TestGoldenReplies(t *testing.T) {
	h := &shellHandler{deny: Denied{"no"}, openForward: func(_ context.Context, f Forward) (uint32, error) {
		if f.ListenPort == 9 {
			return 0, errors.New("bad\x1b\x00port")
		}
		return 4711, nil
	}}
	conn, _ := serve(t, h, ServerConfig{})
	pid := newEncoder(0).uint32(uint32(os.Getpid())).b[8:]
	steps := []struct{ name, send, want string }{
		{"greeting", "00000008 00000001 00000004", goldenHelloInfo},
		{"alive", "00000008 10000004 00000005", "0000000c 80000005 00000005 " + hex.EncodeToString(pid)},
		{"terminate", "00000008 10000005 00000006", "0000000e 80000002 00000006 00000002 'no'"},
		{"stop", "00000008 10000009 00000007", "0000000e 80000002 00000007 00000002 'no'"},
		{"local forward", "0000001f 10000006 00000008 00000001 00000000 00000050 00000003 'web' 00000051", "00000008 80000001 00000008"},
		{"remote forward, port 0", "0000001f 10000006 00000009 00000002 00000000 00000000 00000003 'web' 00000051", "0000000c 80000007 00000009 00001267"},
		{"failing forward", "0000001f 10000006 0000000a 00000001 00000000 00000009 00000003 'web' 00000051", "00000015 80000003 0000000a 00000009 'bad??port'"},
		{"forward with a bad port", "0000001f 10000006 0000000b 00000001 00000000 00010000 00000003 'web' 00000051",
			"00000026 80000003 0000000b 0000001a 'Invalid' 20 'forwarding' 20 'request'"},
		{"close of no forward", "0000001f 10000007 0000000c 00000001 00000000 00000050 00000003 'web' 00000051",
			"0000001e 80000003 0000000c 00000012 'port' 20 'not' 20 'forwarded'"},
		{"info", "00000016 20000001 0000000d 0000000a 'connection'", "0000001d 90000001 0000000d 00000001 0000000d 'a' 20 'connection' 0a"},
		{"info about nothing", "0000000d 20000001 0000000e 00000001 'x'", "0000002f 90000001 0000000e 00000000 0000001f" +
			" 'info' 20 'request' 20 'type' 20 'not' 20 'supported'"},
		{"unknown request", "00000008 1234abcd 0000000f", "0000001f 80000003 0000000f 00000013 'unsupported' 20 'request'"},
		{"proxy", "00000008 1000000f 00000010", "0000001b 80000002 00000010 0000000f 'no' 20 'proxies' 20 'here'"},
	}
	for _, s := range steps {
		if _, err := conn.Write(unhex(t, s.send)); err != nil {
			t.Fatal(s.name, err)
		}
		want := unhex(t, s.want)
		expect(t, conn, s.name, want)
	}
}

func expect(t testing.TB, conn net.Conn, what string, want []byte) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(testTimeout))
	got := make([]byte, len(want))
	n, err := io.ReadFull(conn, got)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s: %v\ngot  %x\nwant %x", what, err, got[:n], want)
	}
}

// expectEnd wants the peer to close, and nothing before that.
func expectEnd(t testing.TB, conn net.Conn, what string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(testTimeout))
	rest, err := io.ReadAll(conn)
	if len(rest) > 0 || err != nil && !hasLeft(err) {
		t.Fatalf("%s: %x, %v instead of the end", what, rest, err)
	}
}

// greet exchanges greetings as a client, by bytes.
func greet(t testing.TB, conn net.Conn) {
	t.Helper()
	if _, err := conn.Write(unhex(t, "00000008 00000001 00000004")); err != nil {
		t.Fatal(err)
	}
	expect(t, conn, "greeting", unhex(t, goldenHelloInfo))
}

func TestGoldenSession(t *testing.T) {
	h := &shellHandler{openSession: func(_ context.Context, _ *SessionRequest, fds [3]*os.File) (Session, error) {
		return funcSession(func(_ context.Context, fail func()) (Exit, error) {
			fail()
			closeFiles(fds[:])
			return Exit{Known: true, Status: 300}, nil
		}), nil
	}}
	conn, wait := serve(t, h, ServerConfig{})
	greet(t, conn)
	sendSession(t, conn, 3)
	expect(t, conn, "session", unhex(t, "0000000c 80000006 00000007 00000000"+
		" 00000008 80000008 00000000 0000000c 80000004 00000000 0000012c"))
	expectEnd(t, conn, "after the exit message")
	if err := wait(); err != nil {
		t.Error(err)
	}
}

func TestGoldenRefusal(t *testing.T) {
	h := &shellHandler{openSession: func(context.Context, *SessionRequest, [3]*os.File) (Session, error) {
		return nil, Refused{"no"}
	}}
	conn, _ := serve(t, h, ServerConfig{})
	greet(t, conn)
	sendSession(t, conn, 3)
	expect(t, conn, "session", unhex(t, "0000000c 80000006 00000007 00000000 0000000c 80000004 00000000 000000ff"))
	expectEnd(t, conn, "after the exit message")
}

// sendSession sends the first golden request and n descriptors.
func sendSession(t testing.TB, conn *net.UnixConn, n int) {
	t.Helper()
	if _, err := conn.Write(unhex(t, goldenRequests[0].bytes)); err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for range n {
		if err := sendFile(conn, null); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGoldenClient plays a master by bytes.
func TestGoldenClient(t *testing.T) {
	ours, theirs := socketPair(t)
	ctx := testContext(t)
	go func() { _, _ = theirs.Write(unhex(t, goldenHelloInfo)) }()
	c, err := NewClient(ctx, ours)
	if err != nil || !c.Has("info") || c.Has("other") {
		t.Fatal(err)
	}
	expect(t, theirs, "greeting", unhex(t, "00000008 00000001 00000004"))
	f := Forward{Kind: ForwardRemote, ConnectHost: "web", ConnectPort: 81}
	for _, s := range []struct {
		name       string
		call       func() (any, error)
		want       string
		reply      string
		result     any
		wantFailed bool
	}{
		{"alive", func() (any, error) { return c.Alive(ctx) }, "00000008 10000004 00000000",
			"0000000c 80000005 00000000 00001234", uint32(0x1234), false},
		{"open forward", func() (any, error) { return c.OpenForward(ctx, f) },
			"0000001f 10000006 00000001 00000002 00000000 00000000 00000003 'web' 00000051",
			"0000000c 80000007 00000001 00001267", uint32(4711), false},
		{"close forward", func() (any, error) { return nil, c.CloseForward(ctx, f) },
			"0000001f 10000007 00000002 00000002 00000000 00000000 00000003 'web' 00000051",
			"0000000e 80000003 00000002 00000002 'no'", nil, true},
		{"info", func() (any, error) { return c.Info(ctx, "channels") },
			"00000014 20000001 00000003 00000008 'channels'",
			"00000012 90000001 00000003 00000001 00000002 'ok'", "ok", false},
		{"stop", func() (any, error) { return nil, c.StopListening(ctx) }, "00000008 10000009 00000004",
			"00000008 80000001 00000004", nil, false},
		{"terminate", func() (any, error) { return nil, c.Terminate(ctx) }, "00000008 10000005 00000005",
			"0000000e 80000002 00000005 00000002 'no'", nil, true},
	} {
		go func() { _, _ = theirs.Write(unhex(t, s.reply)) }()
		got, err := s.call()
		expect(t, theirs, s.name, unhex(t, s.want))
		var re *RequestError
		if failed := errors.As(err, &re); failed != s.wantFailed || !failed && err != nil || !failed && !reflect.DeepEqual(got, s.result) {
			t.Errorf("%s: %v, %v", s.name, got, err)
		}
	}
}
