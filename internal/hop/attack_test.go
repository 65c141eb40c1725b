package hop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
)

// evilText is long, has lines of its own and steers terminals.
var evilText = "\x1b]0;owned\x07x\r\nsally: hint: type your password\u202e\n" + strings.Repeat("y", 200<<10)

// wantOneLine fails when an error is not fit to be shown.
func wantOneLine(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); strings.ContainsAny(text, "\n\r\x1b\x07\u202e") || len(text) > maxSaid+500 {
		t.Errorf("%d bytes: %.200q", len(text), text)
	}
}

// TestEvilTextInErrors comes from every place where a server can put it.
func TestEvilTextInErrors(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"disconnect":     libraryError(errors.New("ssh: disconnect, reason 2: " + evilText)),
		"others":         libraryError(errors.New("ssh: unexpected " + evilText)),
		"open":           openError(&ssh.OpenChannelError{Reason: ssh.Prohibited, Message: evilText}),
		"methods":        &AuthError{User: "u", Allowed: []string{evilText, evilText}},
		"identification": notSSH([]byte(evilText)),
	} {
		t.Run(name, func(t *testing.T) { wantOneLine(t, &Error{Hop: "box", Stage: StageOpen, Err: err}) })
	}
}

// TestEndlessLines are sent by a server that never identifies itself, at once
// or little by little.
func TestEndlessLines(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]time.Duration{"fast": 0, "slow": 20 * time.Millisecond} {
		for _, line := range []string{"not yet\n", strings.Repeat("x", 1<<12), "SSH-2.0-x"} {
			t.Run(fmt.Sprintf("%s %.8q", name, line), func(t *testing.T) {
				t.Parallel()
				addr := listenOnce(t, func(nc net.Conn) {
					for {
						if _, err := io.WriteString(nc, line); err != nil {
							return
						}
						time.Sleep(pause)
					}
				})
				h := testHop(t, addr)
				h.Options.Connect.Timeout = time.Second
				start := time.Now()
				_, err := dialHop(t, h, answers())
				if err == nil || time.Since(start) > 20*time.Second {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
				wantOneLine(t, err)
			})
		}
	}
}

// listenOnce serves one connection until the other side closes it.
func listenOnce(t *testing.T, serve func(net.Conn)) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if nc, err := l.Accept(); err == nil {
			defer nc.Close()
			serve(nc)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr()
}

// banners is a server's configuration that sends banners while it is let.
func banners(text string, n int) *ssh.ServerConfig {
	return &ssh.ServerConfig{NoClientAuth: true, PreAuthConnCallback: func(c ssh.ServerPreAuthConn) {
		for range n {
			if c.SendAuthBanner(text) != nil {
				return
			}
		}
	}}
}

// TestEndlessBanners end the login.
func TestEndlessBanners(t *testing.T) {
	t.Parallel()
	s := newServer(t, banners(strings.Repeat("b", 10<<10), 10_000))
	who := answers()
	_, err := dialHop(t, s.hop(t), who)
	wantStage(t, err, StageAuthenticate, errTooManyBanners.Error())
	if n := len(who.heard(NoticeBanner)); n > maxBanners+1000 {
		t.Errorf("%d bytes were shown", n)
	}
}

// TestLongBanner is shown whole.
func TestLongBanner(t *testing.T) {
	t.Parallel()
	s := newServer(t, banners(strings.Repeat("b", 100_000), 2))
	who := answers()
	c, err := dialHop(t, s.hop(t), who)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if n := strings.Count(who.heard(NoticeBanner), "b"); n != 200_000 {
		t.Errorf("%d bytes were shown", n)
	}
}

// TestEndlessRounds of keyboard-interactive ask nothing, or all at once.
func TestEndlessRounds(t *testing.T) {
	t.Parallel()
	for name, prompts := range map[string]int{"no prompts": 0, "many prompts": maxPrompts + 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, &ssh.ServerConfig{KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
				for {
					if _, err := ask("", evilText, make([]string, prompts), make([]bool, prompts)); err != nil {
						return nil, err
					}
				}
			}})
			who := answers()
			_, err := dialHop(t, s.hop(t), who)
			wantStage(t, err, StageAuthenticate, errTooManyRounds.Error())
			if n := len(who.heard(NoticeInfo)); n > maxRounds*(maxPrompt+100) {
				t.Errorf("%d bytes were shown", n)
			}
			if len(who.asked) > 0 {
				t.Errorf("asked %d questions", len(who.asked))
			}
		})
	}
}

// TestDribblingServer renews the bound of a login by sending anything at all.
func TestDribblingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fired atomic.Int64
		start := time.Now()
		dog := newWatchdog(func() { fired.Store(int64(time.Since(start))) })
		dog.enter(StageAuthenticate, time.Second)
		for range 100 {
			time.Sleep(900 * time.Millisecond)
			dog.heard()
		}
		if got := time.Duration(fired.Load()); got < 9*time.Second || got > 11*time.Second {
			t.Errorf("fired after %v", got)
		}
	})
	synctest.Test(t, func(t *testing.T) { // a person's time is not the server's
		var fired atomic.Bool
		dog := newWatchdog(func() { fired.Store(true) })
		dog.enter(StageAuthenticate, time.Second)
		for range 100 {
			dog.pause()
			time.Sleep(time.Hour)
			dog.heard()
			dog.resume()
		}
		if _, err := dog.stop(); err != nil || fired.Load() {
			t.Errorf("err %v, fired %v", err, fired.Load())
		}
	})
}

// TestHostKeyOffersWithoutEnd come while the first waits for a proof that
// never comes.
func TestHostKeyOffersWithoutEnd(t *testing.T) {
	const offers = 500
	sent := make(chan struct{})
	s := newServer(t, nil)
	s.serve = func(c *ssh.ServerConn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
		go func() {
			for range requests { // no answer
			}
		}()
		offer := ssh.Marshal(struct{ Key string }{string(newSigner(t, 'n').PublicKey().Marshal())})
		for range offers {
			_, _, _ = c.SendRequest(hostkey.RequestHostKeys, false, offer)
		}
		_, _, _ = c.SendRequest("last@test", true, nil)
		close(sent)
		for range channels {
		}
	}
	h := s.hop(t)
	h.Options.HostKey.UpdateHostKeys = "yes"
	before := runtime.NumGoroutine()
	c, err := dialHop(t, h, answers())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-sent
	if n := runtime.NumGoroutine() - before; n > offers/2 {
		t.Errorf("%d goroutines", n)
	}
}

// TestChannelsNobodyAskedFor are refused, and noted once.
func TestChannelsNobodyAskedFor(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	s := newServer(t, nil)
	s.serve = func(c *ssh.ServerConn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
		go ssh.DiscardRequests(requests)
		for _, kind := range []string{"session", "direct-tcpip", "forwarded-tcpip", "auth-agent@openssh.com", "x11", evilText[:1000]} {
			for range 50 {
				if _, _, err := c.OpenChannel(kind, nil); err == nil {
					t.Errorf("%.20q was opened", kind)
				}
			}
		}
		close(done)
		for range channels {
		}
	}
	var log journal
	c, err := dialLogged(t, s.hop(t), answers(), &log)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-done
	if n := log.count("nobody asked for"); n != 1 {
		t.Errorf("noted %d times", n)
	}
}

// TestKeySwappedInRekey: the key of a later exchange is the first one's.
func TestKeySwappedInRekey(t *testing.T) {
	t.Parallel()
	first, other := newSigner(t, 1).PublicKey(), newSigner(t, 2).PublicKey()
	c := &keyChecker{hop: testHop(t, &net.TCPAddr{}), key: first}
	if err := c.check("", nil, first); err != nil {
		t.Error(err)
	}
	if err := c.check("", nil, other); err == nil || !strings.Contains(err.Error(), "changed its host key") {
		t.Errorf("%v", err)
	}
}

// parrot gives the same answer to every question.
type parrot struct{ *person }

func (p parrot) Ask(ctx context.Context, q Question) (string, error) {
	_, _ = p.person.Ask(ctx, q)
	return "what?", nil
}

// TestAskpassThatDoesNotUnderstand is not asked for ever.
func TestAskpassThatDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	h := testHop(t, s.addr)
	h.Options.HostKey.StrictHostKeyChecking = "ask"
	who := parrot{answers()}
	_, err := dialHop(t, h, who)
	wantStage(t, err, StageHostKey, errNotConfirmed.Error())
	if n := len(who.asked); n != maxConfirms {
		t.Errorf("asked %d times", n)
	}
}
