package forward

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshconfig"
	"sallyport/internal/sshtest"
)

func TestLocalForwards(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	tcp := listenPeer(t, "tcp", "127.0.0.1:0", digest)
	tcp6 := listenPeer(t, "tcp", "[::1]:0", digest)
	unix := listenPeer(t, "unix", socketPath(t), digest)
	for _, target := range []string{tcp.Addr().String(), tcp6.Addr().String(), unix.Addr().String()} {
		for _, from := range []sshconfig.ForwardSpec{{}, {ListenHost: "::1"}, {ListenHost: "localhost"}, {ListenHost: "*"}, {ListenPath: socketPath(t)}} {
			spec := to(target)
			spec.ListenHost, spec.ListenPath = from.ListenHost, from.ListenPath
			t.Run(Describe(spec), func(t *testing.T) {
				l := listenLocal(t, s.client, spec, Options{})
				for _, addr := range l.State().Listen {
					addr = strings.Replace(strings.Replace(addr, "0.0.0.0", "127.0.0.1", 1), "[::]", "[::1]", 1)
					for _, size := range []int{0, 1, 100_000} {
						talkToDigest(t, dialPeer(t, addr), randomBytes(size))
					}
				}
				st := l.State()
				n := int64(len(st.Listen))
				if st.Total != 3*n || st.Failed != 0 || st.Sent != uint64(n*100_001) || st.Received != uint64(n*(100_001+3*32)) {
					t.Errorf("state %+v", st)
				}
				if st.Kind != Local || st.Target != target || st.LastError != "" {
					t.Errorf("state %+v", st)
				}
			})
		}
	}
}

func TestRemoteForwards(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	tcp := listenPeer(t, "tcp", "127.0.0.1:0", digest)
	unix := listenPeer(t, "unix", socketPath(t), digest)
	for _, target := range []string{tcp.Addr().String(), unix.Addr().String()} {
		for _, from := range []sshconfig.ForwardSpec{{}, {ListenHost: "::1"}, {ListenHost: "localhost"}, {ListenHost: "*"}, {ListenPath: socketPath(t)}} {
			spec := to(target)
			spec.ListenHost, spec.ListenPath = from.ListenHost, from.ListenPath
			t.Run(Describe(spec), func(t *testing.T) {
				r, err := s.incoming.Listen(t.Context(), spec, Options{})
				if err != nil {
					t.Fatal(err)
				}
				addr := strings.Replace(r.State().Listen[0], "*", "127.0.0.1", 1)
				for _, size := range []int{0, 1, 100_000} {
					talkToDigest(t, dialPeer(t, addr), randomBytes(size))
				}
				await(t, "connections have ended", func() bool { return r.State().Active == 0 })
				st := r.State()
				if st.Kind != Remote || st.Total != 3 || st.Failed != 0 || st.Sent != 100_001 || st.Received != 100_001+3*32 {
					t.Errorf("state %+v", st)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				if st := r.State(); len(st.Listen) != 0 {
					t.Errorf("listens after Close: %v", st.Listen)
				}
				await(t, "server has stopped listening", func() bool {
					c, err := net.Dial(network(addr), addr)
					if err == nil {
						c.Close()
					}
					return err != nil
				})
			})
		}
	}
}

func network(addr string) string {
	if strings.HasPrefix(addr, "/") {
		return "unix"
	}
	return "tcp"
}

// TestRemotePortZero starts many at once: each gets its own connections, even
// those that come before the answer with the port is seen.
func TestRemotePortZero(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			reply := []byte{byte(i)}
			peer := listenPeer(t, "tcp", "127.0.0.1:0", func(c Stream) { c.Write(reply) })
			spec := to(peer.Addr().String())
			spec.ListenHost = "127.0.0.1" // sshd is content with one family of "localhost"
			r, err := s.incoming.Listen(context.Background(), spec, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			c := dialPeer(t, r.State().Listen[0])
			defer c.Close()
			if got, err := io.ReadAll(c); !bytes.Equal(got, reply) {
				t.Errorf("forward %d: %q, %v", i, got, err)
			}
		})
	}
	all.Wait()
}

func TestStdio(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	data := randomBytes(300_000)
	for _, peer := range []net.Listener{
		listenPeer(t, "tcp", "127.0.0.1:0", digest),
		listenPeer(t, "unix", socketPath(t), digest),
	} {
		near, far := pair(t)
		done := make(chan error, 1)
		var count Counters
		go func() { done <- Stdio(context.Background(), s.client, to(peer.Addr().String()), far, &count) }()
		talkToDigest(t, near, data)
		if err := <-done; err != nil {
			t.Errorf("%v: %v", peer.Addr(), err)
		}
		if n := count.Sent.Load(); n != uint64(len(data)) {
			t.Errorf("%v: %d bytes sent", peer.Addr(), n)
		}
	}
}

// TestStdioPeerGoes has a peer that has closed while our side still writes: that
// is an end and no error, as with ssh, once sshd has met it.
func TestStdioPeerGoes(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	peer := listenPeer(t, "tcp", "127.0.0.1:0", func(c Stream) { c.Write([]byte("bye")) })
	for range 10 {
		near, far := pair(t)
		done := make(chan error, 1)
		go func() { done <- Stdio(context.Background(), s.client, to(peer.Addr().String()), far, nil) }()
		if got, err := io.ReadAll(near); string(got) != "bye" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		go func() {
			defer near.Close()
			for { // sshd keeps its half of the channel for it
				if _, err := near.Write([]byte("more")); err != nil {
					return
				}
			}
		}()
		if err := <-done; err != nil {
			t.Errorf("while we write: %v", err)
		}
	}
}

// TestStdioIsEnded has a peer that neither reads nor ends.
func TestStdioIsEnded(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	release := make(chan struct{})
	peer := listenPeer(t, "tcp", "127.0.0.1:0", func(c Stream) { c.Write([]byte("here")); <-release })
	defer close(release)
	near, far := pair(t)
	defer near.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() { done <- Stdio(ctx, s.client, to(peer.Addr().String()), far, nil) }()
	if _, err := io.ReadFull(near, make([]byte, 4)); err != nil {
		t.Error(err)
	}
	stop := errors.New("stop")
	cancel(stop)
	if err := <-done; !errors.Is(err, stop) {
		t.Errorf("ended with %v", err)
	}
}

// TestRefusals compares the last error with the server's own words.
func TestRefusals(t *testing.T) {
	sshtest.LeakCheck(t)
	open := login(t)
	closedServer := login(t, "AllowTcpForwarding no", "AllowStreamLocalForwarding no")
	bounded := login(t, "PermitOpen 127.0.0.1:1")
	refused := sshtest.RefusedPort(t)
	noSocket := socketPath(t)
	for _, c := range []struct {
		name   string
		server *server
		target string
		reason ssh.RejectionReason
		text   string
	}{
		{"closed port", open, refused, ssh.ConnectionFailed, `connection failed: "Connection refused"`},
		{"no such name", open, "no-such-name.invalid:80", ssh.ConnectionFailed, `connection failed: `},
		{"no socket", open, noSocket, ssh.ConnectionFailed, `connection failed: `},
		{"forwarding off", closedServer, refused, ssh.Prohibited, `administratively prohibited: "open failed"`},
		{"sockets off", closedServer, noSocket, ssh.ConnectionFailed, `connection failed: "open failed"`},
		{"PermitOpen", bounded, refused, ssh.Prohibited, `administratively prohibited: "open failed"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := listenLocal(t, c.server.client, to(c.target), Options{})
			conn := dialPeer(t, l.State().Listen[0])
			defer conn.Close()
			if got, err := io.ReadAll(conn); len(got) > 0 {
				t.Errorf("got %q, %v from a forward that leads nowhere", got, err)
			}
			st := l.State()
			if want := "open " + c.target + ": " + c.text; !strings.HasPrefix(st.LastError, want) {
				t.Errorf("last error %q, want %q", st.LastError, want)
			}
			if st.Failed != 1 || st.Total != 1 || st.LastErrorAt.IsZero() {
				t.Errorf("state %+v", st)
			}
			near, far := pair(t)
			defer near.Close()
			err := Stdio(t.Context(), c.server.client, to(c.target), far, nil)
			var refusal *ssh.OpenChannelError
			if !errors.As(err, &refusal) || refusal.Reason != c.reason {
				t.Errorf("Stdio: %v", err)
			}
		})
	}
}

func TestRemoteRefused(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t, "AllowTcpForwarding local", "AllowStreamLocalForwarding local")
	for _, spec := range []sshconfig.ForwardSpec{
		{ConnectHost: "h", ConnectPort: 1},
		{ListenPort: 1, ConnectHost: "h", ConnectPort: 1},
		{ListenPath: "/nowhere/s", ConnectHost: "h", ConnectPort: 1},
	} {
		_, err := s.incoming.Listen(t.Context(), spec, Options{})
		var refused *RefusedError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", Describe(spec), err)
		}
	}
}

// TestRemoteTargetDown checks that the far side is told, and that our addresses
// are not part of it.
func TestRemoteTargetDown(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	target := sshtest.RefusedPort(t)
	r, err := s.incoming.Listen(t.Context(), to(target), Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := dialPeer(t, r.State().Listen[0])
	defer c.Close()
	if got, _ := io.ReadAll(c); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	await(t, "failure is counted", func() bool { return r.State().Failed == 1 })
	if st := r.State(); !strings.Contains(st.LastError, target) || !strings.Contains(st.LastError, "connection refused") {
		t.Errorf("last error %q", st.LastError)
	}
}

// TestStopListening keeps the connections that are there.
func TestStopListening(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	peer := listenPeer(t, "tcp", "127.0.0.1:0", digest)
	remote, err := s.incoming.Listen(t.Context(), to(peer.Addr().String()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []interface {
		State() State
		StopListening()
		Drain(context.Context) error
		Close() error
	}{listenLocal(t, s.client, to(peer.Addr().String()), Options{}), remote} {
		addr := f.State().Listen[0]
		first, second := dialPeer(t, addr), dialPeer(t, addr)
		await(t, "both are carried", func() bool { return f.State().Active == 2 })
		f.StopListening()
		if st := f.State(); len(st.Listen) > 0 || st.Active != 2 {
			t.Errorf("stopped: %+v", st)
		}
		talkToDigest(t, first, randomBytes(50_000))
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // the other one will not end by itself
		if err := f.Drain(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Drain: %v", err)
		}
		if _, err := io.ReadAll(second); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Logf("second ends with %v", err)
		}
		second.Close()
		if st := f.State(); st.Active != 0 {
			t.Errorf("drained: %+v", st)
		}
		f.Close()
	}
}

// TestConnectionLost ends everything when the SSH connection goes.
func TestConnectionLost(t *testing.T) {
	sshtest.LeakCheck(t)
	s := login(t)
	peer := listenPeer(t, "tcp", "127.0.0.1:0", func(c Stream) { io.Copy(c, c) })
	l := listenLocal(t, s.client, to(peer.Addr().String()), Options{})
	c := dialPeer(t, l.State().Listen[0])
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	s.client.Close()
	if n, err := io.Copy(io.Discard, c); n > 0 {
		t.Errorf("%d bytes, %v after the connection is gone", n, err)
	}
	await(t, "connection has ended", func() bool { return l.State().Active == 0 })
	again := dialPeer(t, l.State().Listen[0])
	defer again.Close()
	if _, err := io.ReadAll(again); err != nil {
		t.Logf("a new connection ends with %v", err)
	}
	if st := l.State(); st.Failed != 1 || st.LastError == "" {
		t.Errorf("state %+v", st)
	}
}
