package hop

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshconfig"
)

// idleWatch closes channels over which nothing went for as long as
// ChannelTimeout allows (ssh_config(5)). A nil one watches nothing.
type idleWatch struct {
	// config: not changed after newIdleWatch
	limits sshconfig.ChannelTimeouts
	global time.Duration
	began  time.Time
	log    *slog.Logger
	wake   chan struct{} // a channel was added
	last   atomic.Int64  // when any channel carried something, since began

	// state: guarded by mu
	mu   sync.Mutex
	open map[*watched]struct{}
}

// newIdleWatch is nil when nothing is limited.
func newIdleWatch(limits sshconfig.ChannelTimeouts, log *slog.Logger) *idleWatch {
	for _, l := range limits {
		if l.After > 0 {
			return &idleWatch{
				limits: limits, global: limits.Global(), began: time.Now(), log: log,
				wake: make(chan struct{}, 1), open: map[*watched]struct{}{},
			}
		}
	}
	return nil
}

// watched is a channel that knows when it last carried something.
type watched struct {
	ssh.Channel
	watch *idleWatch
	kind  string
	limit time.Duration // its own, 0 for none
	last  atomic.Int64
	// idle is closed when it was closed for silence, after as long.
	idle  chan struct{}
	after time.Duration
}

// ourNames are ssh(1)'s names of the channels that servers open for something
// else than a forward.
var ourNames = map[string]string{"x11": "x11-connection", "auth-agent@openssh.com": "agent-connection"}

// add watches a channel that was opened.
func (w *idleWatch) add(channelType string, ch ssh.Channel) ssh.Channel {
	if w == nil {
		return ch
	}
	if name, other := ourNames[channelType]; other {
		channelType = name
	}
	c := &watched{Channel: ch, watch: w, kind: channelType, limit: w.limits.For(channelType), idle: make(chan struct{})}
	if c.limit == 0 && w.global == 0 {
		return ch
	}
	c.touch()
	w.mu.Lock()
	w.open[c] = struct{}{}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return c
}

// accepting watches the channel if it is accepted.
func (w *idleWatch) accepting(ch ssh.NewChannel) ssh.NewChannel {
	if w == nil {
		return ch
	}
	return &watchedOffer{ch, w}
}

// watchedOffer is a channel that the server wants to open.
type watchedOffer struct {
	ssh.NewChannel
	watch *idleWatch
}

// Accept is ssh.NewChannel's.
func (o *watchedOffer) Accept() (ssh.Channel, <-chan *ssh.Request, error) {
	ch, requests, err := o.NewChannel.Accept()
	if err != nil {
		return nil, nil, err
	}
	return o.watch.add(o.ChannelType(), ch), requests, nil
}

// run closes what is idle until stop is closed. close is how a channel is
// closed; it may block.
func (w *idleWatch) run(stop <-chan struct{}, closing func(func())) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, some := w.sweep(closing)
		if some {
			timer.Reset(next)
		} else {
			timer.Stop()
		}
		select {
		case <-timer.C:
		case <-w.wake:
		case <-stop:
			return
		}
	}
}

// sweep closes what is idle and tells when to look again.
func (w *idleWatch) sweep(closing func(func())) (next time.Duration, some bool) {
	now := int64(time.Since(w.began))
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		left, after := c.left(now)
		if left > 0 {
			if !some || left < next {
				next, some = left, true
			}
			continue
		}
		delete(w.open, c)
		c.after = after
		close(c.idle)
		w.log.Info("channel closed, nothing went over it", "type", c.kind, "took", after)
		closing(func() { _ = c.Channel.Close() })
	}
	return next, some
}

// left is how long the channel may go on in silence, and by which limit.
func (c *watched) left(now int64) (left, limit time.Duration) {
	left = time.Duration(1<<63 - 1)
	if c.limit > 0 {
		left, limit = c.limit-time.Duration(now-c.last.Load()), c.limit
	}
	if global := c.watch.global; global > 0 {
		if l := global - time.Duration(now-c.watch.last.Load()); l < left {
			left, limit = l, global
		}
	}
	return left, limit
}

// touch notes that something went over the channel.
func (c *watched) touch() {
	now := int64(time.Since(c.watch.began))
	c.last.Store(now)
	c.watch.last.Store(now)
}

// Idle is closed when nothing went over the channel for too long.
func (c *watched) Idle() <-chan struct{} { return c.idle }

// TimedOut is for how long; it may be asked once Idle is closed.
func (c *watched) TimedOut() time.Duration { return c.after }

// Read is ssh.Channel's.
func (c *watched) Read(p []byte) (int, error) {
	n, err := c.Channel.Read(p)
	if n > 0 {
		c.touch()
	}
	return n, err
}

// Write is ssh.Channel's.
func (c *watched) Write(p []byte) (int, error) {
	n, err := c.Channel.Write(p)
	if n > 0 {
		c.touch()
	}
	return n, err
}

// Stderr is ssh.Channel's.
func (c *watched) Stderr() io.ReadWriter { return watchedStderr{c, c.Channel.Stderr()} }

// Close is ssh.Channel's.
func (c *watched) Close() error {
	c.watch.mu.Lock()
	delete(c.watch.open, c)
	c.watch.mu.Unlock()
	return c.Channel.Close()
}

// watchedStderr is a channel's stream of extended data.
type watchedStderr struct {
	channel *watched
	stream  io.ReadWriter
}

func (s watchedStderr) Read(p []byte) (int, error) {
	n, err := s.stream.Read(p)
	if n > 0 {
		s.channel.touch()
	}
	return n, err
}

func (s watchedStderr) Write(p []byte) (int, error) {
	n, err := s.stream.Write(p)
	if n > 0 {
		s.channel.touch()
	}
	return n, err
}
