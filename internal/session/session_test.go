package session

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// The wire form of each request, in the order of ssh(1).
func TestRequestsOnTheWire(t *testing.T) {
	type message struct {
		name    string
		reply   bool
		payload string
	}
	var got []message
	c := dialPeer(t, accepting(func(p *peer) {
		for range 6 {
			r := p.next(t, true)
			got = append(got, message{r.Type, r.WantReply, hex.EncodeToString(r.Payload)})
		}
		p.exitStatus(0)
	}))
	do(t, c, Request{
		Command:      "ls",
		PTY:          &PTY{Term: "vt1", Modes: []byte{1, 0, 0, 0, 3, 0}, Cols: 80, Rows: 24, WidthPx: 640, HeightPx: 480},
		Env:          []string{"A=1", "B=2=3"},
		AgentForward: true,
		X11:          &X11{Single: true, Protocol: "P", Cookie: "ff", Screen: 2},
	}, nil)
	want := []message{
		{"x11-req", true, "01" + "00000001" + "50" + "00000002" + "6666" + "00000002"},
		{"auth-agent-req@openssh.com", false, ""},
		{"pty-req", true, "00000003767431" + "00000050" + "00000018" + "00000280" + "000001e0" + "00000006" + "010000000300"},
		{"env", false, "0000000141" + "0000000131"},
		{"env", false, "0000000142" + "00000003323d33"},
		{"exec", true, "000000026c73"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestStarters(t *testing.T) {
	for _, test := range []struct {
		req           Request
		name, payload string
	}{
		{Request{}, "shell", ""},
		{Request{Command: "x"}, "exec", "\x00\x00\x00\x01x"},
		{Request{Command: "sftp", Subsystem: true}, "subsystem", "\x00\x00\x00\x04sftp"},
	} {
		ms, err := test.req.messages()
		if err != nil || len(ms) != 1 || ms[0].name != test.name || string(ms[0].payload) != test.payload {
			t.Errorf("%+v: %+v, %v", test.req, ms, err)
		}
	}
}

func TestControlMessages(t *testing.T) {
	var got []string
	c := dialPeer(t, accepting(func(p *peer) {
		p.next(t, true)
		for range 3 {
			r := p.next(t, true)
			got = append(got, r.Type+" "+hex.EncodeToString(r.Payload))
		}
		p.exitStatus(0)
	}))
	s := start(t, c, Request{Command: "x"})
	<-s.running
	if err := errors.Join(s.Signal("INT"), s.Break(500), s.WindowChange(80, 24, -1, 1<<40)); err != nil {
		t.Fatal(err)
	}
	finish(t, s, nil)
	want := []string{
		"signal 00000003494e54",
		"break 000001f4",
		"window-change 00000050000000180000000000000000",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestExits(t *testing.T) {
	signal := ssh.Marshal(struct {
		Signal    string
		Core      bool
		Text, Lan string
	}{"SEGV", true, "boom", "en"})
	for _, test := range []struct {
		name, request string
		payload       []byte
		want          Exit
		code          int
	}{
		{"none", "", nil, Exit{Lost: true}, 255},
		{"status", "exit-status", []byte{0, 0, 0, 9}, Exit{Status: 9}, 9},
		{"short status", "exit-status", []byte{0, 0, 9}, Exit{Lost: true}, 255},
		{"signal", "exit-signal", signal, Exit{Signal: "SEGV", CoreDumped: true, Message: "boom"}, 255},
		{"cut signal", "exit-signal", signal[:6], Exit{Lost: true}, 255},
		{"no signal", "exit-signal", nil, Exit{Lost: true}, 255},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := dialPeer(t, accepting(func(p *peer) {
				p.next(t, true)
				if test.request != "" {
					p.SendRequest(test.request, false, test.payload)
				}
			}))
			got := do(t, c, Request{Command: "x"}, nil)
			if got.err != nil || got.exit != test.want || got.exit.Code() != test.code {
				t.Errorf("got %+v, code %d", got, got.exit.Code())
			}
		})
	}
}

func TestOutputAfterStatus(t *testing.T) {
	c := dialPeer(t, accepting(func(p *peer) {
		p.next(t, true)
		p.exitStatus(5)
		p.Write([]byte("late"))
		p.Stderr().Write([]byte("later"))
	}))
	if got, want := do(t, c, Request{}, nil), (outcome{Exit{Status: 5}, nil, "late", "later"}); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestOpenRefused(t *testing.T) {
	c := dialPeer(t, func(n ssh.NewChannel) {
		if n.ChannelType() != "session" {
			t.Errorf("type %q", n.ChannelType())
		}
		n.Reject(ssh.Prohibited, "not\ntoday")
	})
	_, err := Start(testContext(t), c, Request{})
	if want := `open session: administratively prohibited: "not\ntoday"`; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestExecRefused(t *testing.T) {
	for _, r := range []Request{{}, {Command: "x"}} {
		c := dialPeer(t, accepting(func(p *peer) {
			p.next(t, false)
			for range p.reqs { // until the client closes
			}
		}))
		got := do(t, c, r, strings.NewReader("never sent"))
		if _, ok := errors.AsType[*RefusedError](got.err); !ok || !got.exit.Lost {
			t.Errorf("got %+v", got)
		}
	}
}

// Data that overtakes the command would be thrown away by the server.
func TestInputWaitsForTheCommand(t *testing.T) {
	var accepted atomic.Bool
	c := dialPeer(t, accepting(func(p *peer) {
		r := <-p.reqs
		accepted.Store(true)
		r.Reply(true, nil)
		io.Copy(p, p)
		p.exitStatus(0)
	}))
	in := readerFunc(func([]byte) (int, error) {
		if !accepted.Load() {
			t.Error("stdin was read before the command was accepted")
		}
		return 0, io.EOF
	})
	do(t, c, Request{Command: "x"}, in)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A server that asks whether we are alive must get an answer, and a request
// that we do not know must not end the session.
func TestServerKeepalive(t *testing.T) {
	c := dialPeer(t, accepting(func(p *peer) {
		p.next(t, true)
		for _, name := range []string{"keepalive@openssh.com", "unknown"} {
			if ok, err := p.SendRequest(name, true, []byte("x")); ok || err != nil {
				t.Errorf("%s: %v, %v", name, ok, err)
			}
		}
		p.exitStatus(0)
	}))
	if got := do(t, c, Request{Command: "x"}, nil); got.exit != (Exit{}) {
		t.Errorf("got %+v", got)
	}
}

// Servers other than OpenSSH's are not told that nobody reads; their output
// is thrown away, and the other stream and the status still come.
func TestOutputFailsElsewhere(t *testing.T) {
	var more []string
	c := dialPeer(t, accepting(func(p *peer) {
		p.next(t, true)
		data := make([]byte, 8<<20)
		if n, err := p.Write(data); n != len(data) {
			t.Errorf("wrote %d, %v", n, err)
		}
		p.Stderr().Write([]byte("apart"))
		p.exitStatus(3)
		p.Close()
		for r := range p.reqs {
			more = append(more, r.Type)
		}
	}))
	s := start(t, c, Request{Command: "x"})
	var errs strings.Builder
	exit, err := s.Run(testContext(t), Streams{Stdout: &limited{}, Stderr: &errs})
	awaitDone(t, s)
	if _, ok := errors.AsType[*StreamError](err); !ok || exit.Status != 3 || errs.String() != "apart" {
		t.Errorf("%v, %+v, %q", err, exit, errs.String())
	}
	if len(more) != 0 {
		t.Errorf("requests %q", more)
	}
}

// cancelReader blocks until it is canceled.
type cancelReader chan struct{}

func (c cancelReader) Read([]byte) (int, error) { <-c; return 0, errors.New("canceled") }
func (c cancelReader) Cancel() {
	select {
	case <-c:
	default:
		close(c)
	}
}

// The remote program closed its input: ours is left alone from then on.
func TestEOWStopsStdin(t *testing.T) {
	in := make(cancelReader)
	c := dialPeer(t, accepting(func(p *peer) {
		p.next(t, true)
		p.SendRequest("eow@openssh.com", false, nil)
		p.SendRequest("eow@openssh.com", false, nil)
		<-in
		p.exitStatus(2)
	}))
	if got := do(t, c, Request{Command: "x"}, in); got.exit.Status != 2 || got.err != nil {
		t.Errorf("got %+v", got)
	}
}

// Both sides sent their end of file: the client closes, whatever the server does.
func TestClientCloses(t *testing.T) {
	c := dialPeer(t, func(n ssh.NewChannel) {
		ch, reqs, err := n.Accept()
		if err != nil {
			return
		}
		p := &peer{ch, reqs}
		p.next(t, true)
		p.exitStatus(1)
		p.CloseWrite()
		for range reqs {
		}
	})
	if got := do(t, c, Request{Command: "x"}, nil); got.exit.Status != 1 {
		t.Errorf("got %+v", got)
	}
}

// Ending ctx tells the remote program to end, when that is asked for, and then
// closes.
func TestHangup(t *testing.T) {
	running, told := make(chan struct{}), make(chan string, 1)
	c := dialPeer(t, accepting(func(p *peer) {
		p.next(t, true)
		close(running)
		r := p.next(t, true)
		told <- r.Type + " " + string(r.Payload[4:])
	}))
	s := start(t, c, Request{Command: "x", Hangup: "TERM"})
	ctx, cancel := context.WithCancel(testContext(t))
	done := make(chan error)
	go func() {
		_, err := s.Run(ctx, Streams{})
		done <- err
	}()
	<-running
	<-s.running
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got := <-told; got != "signal TERM" {
		t.Errorf("%q", got)
	}
	awaitDone(t, s)
}

// A server may tell the status after both ends of file, and many cannot any
// more once they were sent a close.
func TestStatusAfterEnds(t *testing.T) {
	c := dialPeer(t, accepting(func(p *peer) {
		p.next(t, true)
		p.CloseWrite()
		io.Copy(io.Discard, p)
		p.SendRequest("keepalive@openssh.com", true, nil) // the client has seen both ends
		p.exitStatus(3)
	}))
	if got := do(t, c, Request{Command: "x"}, nil); got.exit.Status != 3 || got.exit.Lost {
		t.Errorf("got %+v", got)
	}
}

func TestConnectionLost(t *testing.T) {
	entered := make(chan struct{})
	hold := make(chan struct{})
	c := dialPeer(t, accepting(func(p *peer) {
		p.next(t, true)
		close(entered)
		<-hold
	}))
	s := start(t, c, Request{Command: "x"})
	go func() { <-entered; c.Close() }()
	if got := finish(t, s, nil); got.exit != (Exit{Lost: true}) || got.err != nil {
		t.Errorf("got %+v", got)
	}
	close(hold)
	if _, err := Start(testContext(t), c, Request{}); err == nil {
		t.Error("a session on a dead connection")
	}
}

// The server does not answer the open: ctx ends the wait.
func TestSilentOpen(t *testing.T) {
	entered, hold := make(chan struct{}), make(chan struct{})
	closed := make(chan struct{})
	c := dialPeer(t, func(n ssh.NewChannel) {
		close(entered)
		<-hold
		accepting(func(p *peer) {
			for range p.reqs { // until the client throws the channel away
			}
			close(closed)
		})(n)
	})
	ctx, cancel := context.WithCancel(testContext(t))
	go func() { <-entered; cancel() }()
	if _, err := Start(ctx, c, Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	close(hold)
	select {
	case <-closed:
	case <-time.After(testPatience):
		t.Error("the late channel was not closed")
	}
}

// The server does not answer the command.
func TestSilentCommand(t *testing.T) {
	hold := make(chan struct{})
	c := dialPeer(t, accepting(func(p *peer) { <-hold }))
	s := start(t, c, Request{Command: "x"})
	ctx, cancel := context.WithCancel(testContext(t))
	go cancel()
	if _, err := s.Run(ctx, Streams{}); !errors.Is(err, context.Canceled) {
		t.Errorf("run: %v", err)
	}
	if err := s.Signal("TERM"); !errors.Is(err, ErrNotStarted) {
		t.Errorf("signal: %v", err)
	}
	close(hold)
	awaitDone(t, s)
}

// Escapes end, break and annotate the session that they are typed into.
func TestEscapes(t *testing.T) {
	var breaks atomic.Int32
	input := make(chan string, 1)
	c := dialPeer(t, accepting(func(p *peer) {
		p.next(t, true)
		p.next(t, true)
		data := make(chan string, 1)
		go func() {
			b, _ := io.ReadAll(p)
			data <- string(b)
		}()
		for r := range p.reqs {
			if r.Type == "break" {
				breaks.Add(1)
			}
		}
		input <- <-data
	}))
	var keys []EscapeKey
	s, err := Start(testContext(t), c, Request{PTY: &PTY{}, EscapeChar: '~'})
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	_, err = s.Run(testContext(t), Streams{
		Stdin:  strings.NewReader("~#a\n~~b\n~B~?c\r~.never"),
		Stderr: &errs,
		Escape: func(k EscapeKey) string { keys = append(keys, k); return "answer\r\n" },
	})
	awaitDone(t, s)
	got := <-input
	if !errors.Is(err, ErrDisconnected) {
		t.Errorf("err %v", err)
	}
	if !slices.Equal(keys, []EscapeKey{EscapeList}) || breaks.Load() != 1 {
		t.Errorf("keys %v, %d breaks", keys, breaks.Load())
	}
	if want := "answer\r\n~B\r\n" + EscapeHelpText('~'); errs.String() != want {
		t.Errorf("stderr %q", errs.String())
	}
	if got != "a\n~b\nc\r" {
		t.Errorf("the server got %q", got)
	}
}

// Without a terminal nothing is an escape.
func TestNoEscapesWithoutPTY(t *testing.T) {
	got := do(t, dialSSHD(t), Request{Command: "cat", EscapeChar: '~'}, strings.NewReader("~.\n~?\n"))
	if got.stdout != "~.\n~?\n" {
		t.Errorf("got %+v", got)
	}
}

func FuzzParseExit(f *testing.F) {
	f.Add(true, []byte{0, 0, 0, 1})
	f.Add(false, []byte("\x00\x00\x00\x03INT\x01\x00\x00\x00\x01x\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, status bool, payload []byte) {
		name := "exit-signal"
		if status {
			name = "exit-status"
		}
		e, ok := parseExit(name, payload)
		if e.Lost || !ok && e != (Exit{}) || ok && !status && e.Signal == "" {
			t.Errorf("%q: %+v, %v", payload, e, ok)
		}
	})
}

func BenchmarkDownload(b *testing.B) {
	const size = 1 << 20
	b.SetBytes(size)
	b.ReportAllocs()
	c := dialPeer(b, accepting(func(p *peer) {
		p.next(b, true)
		buf := make([]byte, 32<<10)
		for range b.N * (size / len(buf)) {
			p.Write(buf)
		}
		p.exitStatus(0)
	}))
	s := start(b, c, Request{Command: "x"})
	if exit, err := s.Run(context.Background(), Streams{}); err != nil || exit.Lost {
		b.Fatal(exit, err)
	}
}

// The pump alone: no allocation but its buffers.
func BenchmarkPump(b *testing.B) {
	const size = 1 << 20
	b.SetBytes(size)
	b.ReportAllocs()
	left := b.N * size
	pump(readerFunc(func(p []byte) (int, error) {
		if left <= 0 {
			return 0, io.EOF
		}
		left -= len(p)
		return len(p), nil
	}), func([]byte) error { return nil })
}

// A whole session on a live connection.
func BenchmarkSession(b *testing.B) {
	c := dialPeer(b, accepting(func(p *peer) {
		p.next(b, true)
		p.Write([]byte("x"))
		p.exitStatus(0)
	}))
	b.ReportAllocs()
	for b.Loop() {
		s, err := Start(context.Background(), c, Request{Command: "x"})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Run(context.Background(), Streams{}); err != nil {
			b.Fatal(err)
		}
	}
}
