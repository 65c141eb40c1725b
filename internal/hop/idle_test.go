package hop

import (
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshconfig"
)

// quietChannel is a channel that can be closed.
type quietChannel struct {
	ssh.Channel
	once   sync.Once
	closed chan struct{}
}

func (c *quietChannel) Write(p []byte) (int, error) { return len(p), nil }
func (c *quietChannel) Close() error                { c.once.Do(func() { close(c.closed) }); return nil }
func (c *quietChannel) Read(p []byte) (int, error)  { return len(p), nil }
func (c *quietChannel) Stderr() io.ReadWriter       { return pair{strings.NewReader("x"), io.Discard} }

type pair struct {
	io.Reader
	io.Writer
}

// TestIdleChannels keeps some channels busy and sees which are closed when.
func TestIdleChannels(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name   string
		limits sshconfig.ChannelTimeouts
		want   map[string]time.Duration // type → closed after, 0 never
	}{
		{"own", sshconfig.ChannelTimeouts{{Type: "direct-*", After: 5 * s}, {Type: "session", After: 9 * s}, {Type: "*", After: 0}},
			map[string]time.Duration{"direct-tcpip": 5 * s, "session": 9 * s, "x11": 0}},
		{"the first that matches", sshconfig.ChannelTimeouts{{Type: "session", After: 0}, {Type: "*", After: 2 * s}},
			map[string]time.Duration{"session": 0, "x11": 2 * s, "direct-tcpip": 2 * s}},
		{"ssh's names", sshconfig.ChannelTimeouts{{Type: "x11-connection", After: 3 * s}, {Type: "agent-connection", After: 4 * s}},
			map[string]time.Duration{"x11": 3 * s, "auth-agent@openssh.com": 4 * s, "session": 0}},
		{"global", sshconfig.ChannelTimeouts{{Type: "global", After: 6 * s}},
			map[string]time.Duration{"x11": 6 * s, "session": 6 * s}},
		{"global and own", sshconfig.ChannelTimeouts{{Type: "global", After: 6 * s}, {Type: "x11-connection", After: 1 * s}},
			map[string]time.Duration{"x11": 1 * s, "session": 6 * s}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newIdleWatch(test.limits, slog.New(slog.DiscardHandler))
				stop := make(chan struct{})
				defer close(stop)
				go w.run(stop, func(f func()) { go f() })
				start := time.Now()
				var done sync.WaitGroup
				for kind, want := range test.want {
					raw := &quietChannel{closed: make(chan struct{})}
					ch := w.add(kind, raw)
					done.Go(func() {
						select {
						case <-raw.closed:
						case <-time.After(time.Minute):
						}
						took := time.Since(start)
						if want == 0 && took < time.Minute || want != 0 && took != want {
							t.Errorf("%s was closed after %v, want %v", kind, took, want)
						}
						if want == 0 {
							return
						}
						<-ch.(*watched).Idle()
						if after := ch.(*watched).TimedOut(); after != want {
							t.Errorf("%s tells that it was closed after %v", kind, after)
						}
					})
				}
				done.Wait()
			})
		})
	}
}

// TestTrafficKeepsAChannel moves bytes each way.
func TestTrafficKeepsAChannel(t *testing.T) {
	for name, use := range map[string]func(ssh.Channel){
		"read":   func(c ssh.Channel) { c.Read(make([]byte, 1)) },
		"write":  func(c ssh.Channel) { c.Write([]byte("x")) },
		"stderr": func(c ssh.Channel) { c.Stderr().Read(make([]byte, 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newIdleWatch(sshconfig.ChannelTimeouts{{Type: "session", After: 5 * time.Second}}, slog.New(slog.DiscardHandler))
				stop := make(chan struct{})
				defer close(stop)
				go w.run(stop, func(f func()) { go f() })
				raw := &quietChannel{closed: make(chan struct{})}
				ch := w.add("session", raw)
				start := time.Now()
				for range 5 {
					time.Sleep(4 * time.Second)
					use(ch)
				}
				<-raw.closed
				if took := time.Since(start); took != 25*time.Second {
					t.Errorf("closed after %v", took)
				}
			})
		})
	}
	if newIdleWatch(sshconfig.ChannelTimeouts{{Type: "*", After: 0}}, nil) != nil {
		t.Error("zero limits are watched")
	}
}
