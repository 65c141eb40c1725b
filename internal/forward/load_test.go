package forward

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshtest"
)

// TestManyConnections sends 500 connections through one forward, 50 at a time,
// with random sizes and random ways to end.
func TestManyConnections(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	l := listenLocal(t, s.client, to(listenPeer(t, "tcp", "127.0.0.1:0", digest).Addr().String()), Options{})
	addr := l.State().Listen[0]
	const total, atOnce = 500, 50
	data := randomBytes(1 << 20)
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range total {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			random := rand.New(rand.NewPCG(uint64(i), 1))
			c := dialPeer(t, addr)
			size := random.IntN(1 << (1 + random.IntN(18)))
			switch i % 5 {
			case 0: // goes away in the middle of the answer
				c.Write(data[:size])
				c.CloseWrite()
				io.ReadFull(c, make([]byte, 16))
				c.Close()
			case 1: // goes away without a half-close
				c.Write(data[:size])
				c.Close()
			default:
				talkToDigest(t, c, data[:size])
			}
		})
	}
	all.Wait()
	await(t, "all connections have ended", func() bool { return l.State().Active == 0 })
	if st := l.State(); st.Total != total || st.Failed != 0 {
		t.Errorf("state %+v", st)
	}
	before := runtime.NumGoroutine()
	talkToDigest(t, dialPeer(t, addr), data)
	await(t, "goroutines are back", func() bool { return runtime.NumGoroutine() <= before })
}

// TestStalledReceiver has one client that does not read while others move
// data through the same SSH connection, and a sender that never stops.
func TestStalledReceiver(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	endless := listenPeer(t, "tcp", "127.0.0.1:0", func(c Stream) {
		chunk := make([]byte, 64<<10)
		for {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	})
	stalled := listenLocal(t, s.client, to(endless.Addr().String()), Options{})
	c := dialPeer(t, stalled.State().Listen[0])
	defer c.Close()
	// The stalled side has taken what its buffers hold when the count stands.
	last := uint64(0)
	await(t, "the stalled connection stands", func() bool {
		now := stalled.State().Received
		same := now == last && now > 0
		last = now
		time.Sleep(20 * time.Millisecond)
		return same
	})
	l := listenLocal(t, s.client, to(listenPeer(t, "tcp", "127.0.0.1:0", digest).Addr().String()), Options{})
	data := randomBytes(3 << 20) // more than a channel's window
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { talkToDigest(t, dialPeer(t, l.State().Listen[0]), data) })
	}
	all.Wait()
	if st := stalled.State(); st.Active != 1 {
		t.Errorf("stalled: %+v", st)
	}
	// It has lost nothing: it goes on where it stood.
	if n, err := io.CopyN(io.Discard, c, 20<<20); err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestIdleMemory holds connections that wait: each may cost little.
func TestIdleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's memory is not ours")
	}
	s := login(t)
	l := listenLocal(t, s.client, to(listenPeer(t, "tcp", "127.0.0.1:0", digest).Addr().String()), Options{})
	talkToDigest(t, dialPeer(t, l.State().Listen[0]), nil)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	const n = 200
	before := heap()
	for range n {
		c := dialPeer(t, l.State().Listen[0])
		defer c.Close()
	}
	await(t, "all are carried", func() bool { return l.State().Active == n })
	// The digests' buffers and both ends of each test connection are in here too.
	if each := (heap() - before) / n; each > 64<<10 {
		t.Errorf("%d bytes for each idle connection", each)
	}
}

// slowOpener answers when it is told to.
type slowOpener struct {
	asked  chan struct{}
	answer chan ssh.Channel
}

func (o *slowOpener) OpenChannel(string, []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	o.asked <- struct{}{}
	ch, ok := <-o.answer
	if !ok {
		return nil, nil, errors.New("no answer")
	}
	requests := make(chan *ssh.Request)
	close(requests)
	return ch, requests, nil
}

// deadChannel tells only that it was closed.
type deadChannel struct {
	ssh.Channel
	closed chan struct{}
}

func (c *deadChannel) Close() error { close(c.closed); return nil }

// TestCloseDuringOpen: a server may take minutes to answer an open; Close does
// not, and the channel that comes late is closed.
func TestCloseDuringOpen(t *testing.T) {
	sshtest.LeakCheck(t)
	o := &slowOpener{asked: make(chan struct{}), answer: make(chan ssh.Channel)}
	l := listenLocal(t, o, to("h:1"), Options{})
	c := dialPeer(t, l.State().Listen[0])
	defer c.Close()
	<-o.asked
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
		t.Logf("the client sees %q, %v", got, err)
	}
	if st := l.State(); st.Active != 0 || st.Failed != 0 || len(st.Listen) != 0 {
		t.Errorf("closed: %+v", st)
	}
	late := &deadChannel{closed: make(chan struct{})}
	o.answer <- late
	select {
	case <-late.closed:
	case <-time.After(patience):
		t.Error("the late channel is left open")
	}
}

// TestCloseUnderLoad ends a forward with busy connections.
func TestCloseUnderLoad(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	peer := listenPeer(t, "tcp", "127.0.0.1:0", func(c Stream) { io.Copy(c, c) })
	remote, err := s.incoming.Listen(t.Context(), to(peer.Addr().String()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []interface {
		State() State
		Close() error
	}{listenLocal(t, s.client, to(peer.Addr().String()), Options{}), remote} {
		var clients sync.WaitGroup
		for range 10 {
			c := dialPeer(t, f.State().Listen[0])
			clients.Go(func() {
				chunk := make([]byte, 32<<10)
				for {
					if _, err := c.Write(chunk); err != nil {
						return
					}
				}
			})
			clients.Go(func() {
				defer c.Close()
				io.Copy(io.Discard, c)
			})
		}
		await(t, "data flows", func() bool { return f.State().Received > 1<<20 })
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if st := f.State(); st.Active != 0 {
			t.Errorf("closed: %+v", st)
		}
		clients.Wait()
	}
}

// fakeServer answers global requests from a script and remembers them.
type fakeServer struct {
	mu    sync.Mutex
	seen  []string
	reply func(name string) (bool, []byte, error)
}

func (f *fakeServer) SendRequest(name string, _ bool, payload []byte) (bool, []byte, error) {
	f.mu.Lock()
	f.seen = append(f.seen, name+" "+string(payload))
	f.mu.Unlock()
	return f.reply(name)
}

func (f *fakeServer) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.seen...)
}

// fakeChannel is a channel that a server opens; it can only be rejected.
type fakeChannel struct {
	kind, data string
	rejected   chan string
}

func newFakeChannel(kind string, data any) *fakeChannel {
	return &fakeChannel{kind: kind, data: string(ssh.Marshal(data)), rejected: make(chan string, 1)}
}

func (c *fakeChannel) ChannelType() string { return c.kind }
func (c *fakeChannel) ExtraData() []byte   { return []byte(c.data) }
func (c *fakeChannel) Accept() (ssh.Channel, <-chan *ssh.Request, error) {
	return nil, nil, errors.New("accepted")
}
func (c *fakeChannel) Reject(_ ssh.RejectionReason, message string) error {
	c.rejected <- message
	return nil
}

func grantPort(port byte) func(string) (bool, []byte, error) {
	return func(string) (bool, []byte, error) { return true, []byte{0, 0, 0, port}, nil }
}

// TestChannelNotAskedFor covers RFC 4254 §7.2's "MUST reject".
func TestChannelNotAskedFor(t *testing.T) {
	sshtest.LeakCheck(t)
	in := NewIncoming(&fakeServer{reply: grantPort(7)})
	spec := to(sshtest.RefusedPort(t))
	spec.ListenPort = 7
	if _, err := in.Listen(t.Context(), spec, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		channel *fakeChannel
		want    string
	}{
		{newFakeChannel(forwardedTCP, tcpOpen{Host: "localhost", Port: 8}), "no such forward"},
		{newFakeChannel(forwardedTCP, tcpOpen{Host: "localhost", Port: 70000}), "malformed channel data"},
		{newFakeChannel(forwardedTCP, forwardedUnixOpen{Path: "/x"}), "malformed channel data"},
		{newFakeChannel(forwardedUnix, forwardedUnixOpen{Path: "/x"}), "no such forward"},
		{newFakeChannel(forwardedUnix, forwardedUnixOpen{}), "no such forward"},
		{newFakeChannel("x11", tcpOpen{}), "malformed channel data"},
		{newFakeChannel(forwardedTCP, tcpOpen{Host: "localhost", Port: 7}), "connection refused"},
		{newFakeChannel(forwardedTCP, tcpOpen{Host: "127.0.0.1", Port: 7}), "connection refused"},
	} {
		in.Handle(c.channel)
		if got := <-c.channel.rejected; got != c.want {
			t.Errorf("%s %q: rejected with %q, want %q", c.channel.kind, c.channel.data, got, c.want)
		}
	}
	in.Close()
	late := newFakeChannel(forwardedTCP, tcpOpen{Host: "localhost", Port: 7})
	in.Handle(late)
	<-late.rejected
}

// TestChannelBeforeAnswer opens a channel before the client has seen which
// port it was given.
func TestChannelBeforeAnswer(t *testing.T) {
	sshtest.LeakCheck(t)
	early := newFakeChannel(forwardedTCP, tcpOpen{Host: "localhost", Port: 9})
	server := &fakeServer{}
	in := NewIncoming(server)
	server.reply = func(string) (bool, []byte, error) {
		in.Handle(early)
		return true, []byte{0, 0, 0, 9}, nil
	}
	r, err := in.Listen(t.Context(), to(sshtest.RefusedPort(t)), Options{})
	if err != nil || r.Port() != 9 {
		t.Fatalf("port %d, %v", r.Port(), err)
	}
	if got := <-early.rejected; got != "connection refused" { // by the target
		t.Errorf("rejected with %q", got)
	}
	in.Close()
}

func TestListenAnswers(t *testing.T) {
	sshtest.LeakCheck(t)
	for _, reply := range [][]byte{nil, {1, 2}, {0, 0, 0, 0}, {0, 1, 0, 0}} {
		in := NewIncoming(&fakeServer{reply: func(string) (bool, []byte, error) { return true, reply, nil }})
		if r, err := in.Listen(t.Context(), to("h:1"), Options{}); err == nil {
			t.Errorf("%x: port %d", reply, r.Port())
		}
	}
	broken := errors.New("broken")
	in := NewIncoming(&fakeServer{reply: func(string) (bool, []byte, error) { return false, nil, broken }})
	if _, err := in.Listen(t.Context(), to("h:1"), Options{}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// TestListenGivenUp takes back a consent that comes too late.
func TestListenGivenUp(t *testing.T) {
	sshtest.LeakCheck(t)
	answer := make(chan struct{})
	server := &fakeServer{}
	server.reply = func(name string) (bool, []byte, error) {
		if name == listenTCP {
			<-answer
		}
		return true, []byte{0, 0, 0, 9}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewIncoming(server).Listen(ctx, to("h:1"), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(answer)
	await(t, "the forward is cancelled", func() bool { return len(server.requests()) == 2 })
	want := cancelTCP + " " + string(ssh.Marshal(tcpListen{Host: "localhost", Port: 9}))
	if got := server.requests()[1]; got != want {
		t.Errorf("request %q, want %q", got, want)
	}
}

// TestMessages pins what goes over the wire.
func TestMessages(t *testing.T) {
	peer := &net.TCPAddr{IP: net.ParseIP("::ffff:10.0.0.1"), Port: 5}
	for _, c := range []struct {
		target target
		peer   net.Addr
		kind   string
		data   string
	}{
		{target{host: "h", port: 258}, peer, "direct-tcpip",
			"\x00\x00\x00\x01h\x00\x00\x01\x02\x00\x00\x00\x0810.0.0.1\x00\x00\x00\x05"},
		{target{host: "h", port: 1}, nil, "direct-tcpip",
			"\x00\x00\x00\x01h\x00\x00\x00\x01\x00\x00\x00\x09127.0.0.1\x00\x00\xff\xff"},
		{target{path: "/s"}, peer, "direct-streamlocal@openssh.com",
			"\x00\x00\x00\x02/s\x00\x00\x00\x00\x00\x00\x00\x00"},
	} {
		kind, data := openMessage(c.target, c.peer)
		if kind != c.kind || string(data) != c.data {
			t.Errorf("%v: %s %q, want %s %q", c.target, kind, data, c.kind, c.data)
		}
	}
	if got := remoteBindHost(""); got != "localhost" {
		t.Errorf("no host: %q", got)
	}
	if got := remoteBindHost("*"); got != "" {
		t.Errorf("any host: %q", got)
	}
}

// TestLongTransfer checks that a long transfer arrives whole, both ways at once,
// over one channel.
func TestLongTransfer(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	l := listenLocal(t, s.client, to(listenPeer(t, "tcp", "127.0.0.1:0", func(c Stream) { io.Copy(c, c); c.CloseWrite() }).Addr().String()), Options{})
	c := dialPeer(t, l.State().Listen[0])
	defer c.Close()
	data := randomBytes(64 << 20)
	go func() {
		c.Write(data)
		c.CloseWrite()
	}()
	h := sha256.New()
	n, err := io.Copy(h, c)
	want := sha256.Sum256(data)
	if n != int64(len(data)) || err != nil || !bytes.Equal(h.Sum(nil), want[:]) {
		t.Errorf("%d of %d bytes, %v", n, len(data), err)
	}
}
