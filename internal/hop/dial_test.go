package hop

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshtest"
)

func addrOf(t *testing.T, s string) net.Addr {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPeersThatMisbehave(t *testing.T) {
	sshtest.LeakCheck(t)
	for _, test := range []struct {
		name  string
		addr  string
		stage Stage
		texts []string
	}{
		{"silent", sshtest.SilentPeer(t).Addr, StageBanner, []string{"the server said nothing for"}},
		{"garbage", sshtest.GarbagePeer(t, []byte("220 smtp\x1b[0m ready\r\n")).Addr, StageBanner, []string{`it said "220 smtp\x1b[0m ready`}},
		{"silent after its name", sshtest.SilentAfterBanner(t).Addr, StageKeyExchange, []string{"no answer in the key exchange for"}},
		// The kernel tells of a reset once: when a write has it, a read that is
		// quicker to say so has an end.
		{"reset", sshtest.ResetAfterBanner(t).Addr, StageKeyExchange, []string{"the server ", " the connection"}},
		{"refused", sshtest.RefusedPort(t), StageConnect, []string{"connection refused"}},
		{"black hole", sshtest.BlackHole(t), StageConnect, []string{"no answer to the TCP connection for"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := testHop(t, addrOf(t, test.addr))
			h.Options.Connect.Timeout = time.Second
			start := time.Now()
			_, err := dialHop(t, h, answers())
			wantStage(t, err, test.stage, test.texts...)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	sshtest.LeakCheck(t)
	h := testHop(t, addrOf(t, sshtest.SilentPeer(t).Addr))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := Dial(ctx, Config{Hop: h})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

// What the transport lacks is refused before anything is dialled.
func TestOptionsThatCannotBeMet(t *testing.T) {
	for text, set := range map[string]func(*dial){
		"Compression yes":                     func(d *dial) { d.Hop.Options.Transport.Compression = true },
		"Ciphers blowfish-cbc: none of them":  func(d *dial) { d.Hop.Options.Transport.Ciphers = []string{"blowfish-cbc"} },
		"MACs umac-64@openssh.com: none":      func(d *dial) { d.Hop.Options.Transport.MACs = []string{"umac-64@openssh.com"} },
		"KexAlgorithms x: none of them is":    func(d *dial) { d.Hop.Options.Transport.KexAlgorithms = []string{"x"} },
		"HostKeyAlgorithms x: none of them i": func(d *dial) { d.Hop.Options.Transport.HostKeyAlgorithms = []string{"x"} },
	} {
		d := newDial(Config{Hop: testHop(t, addrOf(t, "127.0.0.1:1"))})
		set(d)
		_, err := Dial(context.Background(), d.Config)
		wantStage(t, err, StageKeyExchange, text)
	}
	s := newServer(t, nil)
	h := s.hop(t)
	h.Options.Transport.Ciphers = []string{"blowfish-cbc", "aes128-ctr"} // one of them will do
	c, err := dialHop(t, h, answers())
	if err != nil || c.Info().Cipher != "aes128-ctr" {
		t.Errorf("%v, %v", c, err)
	}
}

func TestConnectionLivesAndEnds(t *testing.T) {
	sshtest.LeakCheck(t)
	s := newServer(t, nil)
	log := &journal{}
	c, err := dialLogged(t, s.hop(t), answers(), log)
	if err != nil {
		t.Fatal(err)
	}
	if rtt, err := c.Ping(context.Background()); err != nil || rtt <= 0 {
		t.Errorf("ping: %v, %v", rtt, err)
	}
	if _, err := dialTunnel(context.Background(), c, "x", 1); err == nil || err.Error() != `refused: administratively prohibited "no"` {
		t.Errorf("open: %v", err)
	}
	for _, line := range []string{"SSH2_MSG_KEXINIT sent", "SSH2_MSG_KEXINIT received", "SSH2_MSG_NEWKEYS sent", "SSH2_MSG_NEWKEYS received", "kex: algorithm: "} {
		if log.count(line) != 1 {
			t.Errorf("logged %d times %q", log.count(line), line)
		}
	}
	c.Close()
	if err := c.Wait(); !errors.Is(err, ErrClosed) {
		t.Errorf("ended with %v", err)
	}
}

func TestKeepAlive(t *testing.T) {
	s := newServer(t, nil)
	proxy := sshtest.NewProxy(t, s.addr.String())
	h := testHop(t, addrOf(t, proxy.Addr))
	h.Options.HostKey.StrictHostKeyChecking = "accept-new"
	h.Options.Connect.ServerAliveSet, h.Options.Connect.ServerAliveInterval, h.Options.Connect.ServerAliveCountMax = true, 600*time.Millisecond, 2
	c, err := dialHop(t, h, answers())
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Done():
		t.Fatalf("a server that answers was given up: %v", c.Wait())
	case <-time.After(2 * time.Second):
	}
	proxy.Stall()
	select {
	case <-c.Done():
		wantStage(t, c.Wait(), StageAlive, "no answer to keepalive for 1.2s", "Timeout, server not responding")
	case <-time.After(20 * time.Second):
		t.Fatal("a silent server was not noticed")
	}
}

func TestDamagedPacket(t *testing.T) {
	s := newServer(t, nil)
	proxy := sshtest.NewProxy(t, s.addr.String())
	h := testHop(t, addrOf(t, proxy.Addr))
	h.Options.HostKey.StrictHostKeyChecking = "accept-new"
	h.Options.Transport.Ciphers = []string{ssh.CipherAES128GCM}
	log := &journal{}
	c, err := dialLogged(t, h, answers(), log)
	if err != nil {
		t.Fatal(err)
	}
	proxy.FlipBit(12) // behind the length of the next packet
	_, _ = c.Ping(context.Background())
	wantStage(t, c.Wait(), StageAlive, "message authentication code incorrect")
	if log.count("message authentication code incorrect") != 1 {
		t.Error("it was not logged")
	}
}

func TestRekeyByTime(t *testing.T) {
	s := newServer(t, nil)
	h := s.hop(t)
	h.Options.Transport.RekeyInterval = 50 * time.Millisecond
	log := &journal{}
	c, err := dialLogged(t, h, answers(), log)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "keys are exchanged again", func() bool { return log.count("SSH2_MSG_NEWKEYS sent") >= 3 })
	if _, err := c.Ping(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestRekeyByVolume(t *testing.T) {
	s := newServer(t, nil)
	h := s.hop(t)
	h.Options.Transport.RekeyBytes = 16
	log := &journal{}
	c, err := dialLogged(t, h, answers(), log)
	if err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		if _, err := c.Ping(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "keys are exchanged again", func() bool { return log.count("SSH2_MSG_NEWKEYS sent") >= 2 })
}

// What is logged of a group exchange is what was asked for.
func TestGroupExchangeIsLogged(t *testing.T) {
	s := newServer(t, &ssh.ServerConfig{NoClientAuth: true, Config: ssh.Config{KeyExchanges: []string{ssh.KeyExchangeDHGEXSHA256}}})
	h := s.hop(t)
	h.Options.Transport.KexAlgorithms = []string{ssh.KeyExchangeDHGEXSHA256}
	log := &journal{}
	if _, err := dialLogged(t, h, answers(), log); err != nil {
		t.Fatal(err)
	}
	if log.count("SSH2_MSG_KEX_DH_GEX_REQUEST(2048<2048<8192) sent") != 1 || log.count("/2048") != 2 {
		t.Errorf("log:\n%s", strings.Join(log.lines, "\n"))
	}
}

func TestProxyUseFdpass(t *testing.T) {
	sshtest.Require(t, "python3")
	s := newServer(t, nil)
	h := testHop(t, s.addr)
	h.Options.HostKey.StrictHostKeyChecking = "accept-new"
	h.Options.Proxy.UseFdpass = true
	h.Options.Proxy.Command = `python3 -c '
import socket, sys, array
s = socket.create_connection(("127.0.0.1", ` + strings.TrimPrefix(s.addr.String(), "127.0.0.1:") + `))
socket.socket(fileno=1).sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])'`
	c, err := dialHop(t, h, answers())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.wire.RemoteAddr().(*net.TCPAddr); !ok {
		t.Errorf("the connection is %T", c.wire.RemoteAddr())
	}
	h.Options.Proxy.Command = "echo hello"
	_, err = dialHop(t, h, answers())
	wantStage(t, err, StageConnect, "passed no descriptor")
	h.Options.Proxy.Command = "sh -c 'exec >&- <&-; sleep 0.2; echo complaint >&2; exit 3'"
	ask := answers()
	_, err = dialHop(t, h, ask)
	wantStage(t, err, StageConnect, "passed no descriptor: exit status 3")
	if got := ask.heard(NoticeInfo); got != "complaint\n" {
		t.Errorf("its standard error: %q", got)
	}
	h.Options.Proxy.Command, h.Options.Connect.Timeout = "sleep 60", 100*time.Millisecond
	_, err = dialHop(t, h, answers())
	wantStage(t, err, StageConnect, "passed no descriptor: nothing came for 100ms")
	if CauseOf(err) == CauseSilent {
		t.Error("the host is blamed")
	}
}

func TestProxyCommand(t *testing.T) {
	h := testHop(t, addrOf(t, "127.0.0.1:1"))
	h.Options.Proxy.Command = "echo complaint >&2; exit 3"
	ask := answers()
	_, err := dialHop(t, h, ask)
	wantStage(t, err, StageBanner, "closed the connection before saying anything")
	if got := ask.heard(NoticeInfo); got != "complaint\n" {
		t.Errorf("its standard error: %q", got)
	}
}

func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var fired atomic.Int64
		dog := newWatchdog(func() { fired.Store(int64(time.Since(start))) })
		dog.enter(StageBanner, 10*time.Second)
		time.Sleep(4 * time.Second)
		dog.heard() // goes on with the same bound
		dog.pause() // a person is asked
		time.Sleep(time.Hour)
		dog.resume()
		time.Sleep(5 * time.Second)
		if fired.Load() != 0 {
			t.Fatal("fired while time was left")
		}
		time.Sleep(2 * time.Second)
		if got, want := time.Duration(fired.Load()), time.Hour+10*time.Second; got != want {
			t.Errorf("fired after %v, want %v", got, want)
		}
		if stage, err := dog.stop(); stage != StageKeyExchange || !errors.Is(err, ErrTimeout) {
			t.Errorf("stopped with %v, %v", stage, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var fired atomic.Bool
		dog := newWatchdog(func() { fired.Store(true) })
		dog.enter(StageAuthenticate, time.Second)
		for range 10 { // each answer renews it
			time.Sleep(900 * time.Millisecond)
			dog.heard()
		}
		if _, err := dog.stop(); err != nil || fired.Load() {
			t.Errorf("err %v, fired %v", err, fired.Load())
		}
		time.Sleep(time.Hour)
		if fired.Load() {
			t.Error("fired after it was stopped")
		}
	})
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\n": "plain\ttext\n", "a\r\nb": "a\nb", "\x1b[31mred\x07": "[31mred", "ab\u202egnp": "abgnp",
		"é ✓": "é ✓", "\xff\xfe": "", "x\x00\u0085y": "xy",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) is %q, want %q", in, got, want)
		}
	}
}

func TestErrorTexts(t *testing.T) {
	e := &Error{Hop: "jump2", Addr: "10.0.3.1:22", Via: "jump1", Stage: StageAuthenticate,
		Err: &AuthError{User: "u", Allowed: []string{"publickey"}, Tried: []string{"password"}}}
	if got, want := e.Error(), `jump2 (10.0.3.1:22) via jump1: authenticate: permission denied for user "u": server accepts only publickey; tried password`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !e.Final() || (&Error{Stage: StageConnect}).Final() {
		t.Error("Final is wrong")
	}
	for in, want := range map[string]string{
		"ssh: MAC failure":                                "message authentication code incorrect",
		"cipher: message authentication failed":           "message authentication code incorrect",
		"ssh: invalid packet length, packet too large":    "Bad packet length",
		"ssh: illegal padding 3":                          "padding error",
		`ssh: disconnect, reason 2: "Too many\x1b tries"`: `the server disconnected: "Too many\x1b tries"`,
		"ssh: handshake failed: ssh: odd\x1b":             "odd",
	} {
		if got := libraryError(errors.New(in)).Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%q is worded %q", in, got)
		}
	}
}

func FuzzClearStream(f *testing.F) {
	f.Add([]byte("SSH-2.0-x\r\n\x00\x00\x00\x0c\x0a\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("hello\nSSH-2.0-x\n\x00\x00\x00\x02\x00\x14\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w := &kexWatch{log: newDial(Config{}).log}
		w.received(data)
		w.sent(data)
		if len(w.in.buf) > len(data) {
			t.Error("kept more than it was given")
		}
	})
}
