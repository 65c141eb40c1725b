package daemon

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hop"
	"sallyport/internal/mux"
	"sallyport/internal/pool"
)

// ridden is a pool.Conn over somebody else's master, OpenSSH's perhaps, in
// proxy mode. It sends no keepalives, which OpenSSH's masters do not survive.
type ridden struct {
	ssh.Conn
	client *mux.Client
	since  time.Time
	ended  chan struct{}

	// state: guarded by mu
	mu       sync.Mutex
	err      error
	handlers map[string]func(ssh.NewChannel)
}

// ride makes a connection of a control client.
func ride(ctx context.Context, client *mux.Client) (*ridden, error) {
	conn, channels, requests, err := client.Proxy(ctx)
	if err != nil {
		return nil, err
	}
	r := &ridden{
		Conn: conn, client: client, since: time.Now(), ended: make(chan struct{}),
		handlers: map[string]func(ssh.NewChannel){},
	}
	var tasks sync.WaitGroup
	tasks.Go(func() { r.serveChannels(channels) })
	tasks.Go(func() { ssh.DiscardRequests(requests) })
	go func() {
		r.err = r.Conn.Wait()
		tasks.Wait()
		close(r.ended)
	}()
	return r, nil
}

func (r *ridden) serveChannels(in <-chan ssh.NewChannel) {
	for nc := range in {
		r.mu.Lock()
		f := r.handlers[nc.ChannelType()]
		r.mu.Unlock()
		if f == nil {
			_ = nc.Reject(ssh.UnknownChannelType, "unknown channel type")
			continue
		}
		f(nc)
	}
}

// HandleChannels is pool.Conn's.
func (r *ridden) HandleChannels(channelType string, f func(ssh.NewChannel)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handlers[channelType] = f
}

// MayForward is pool.Conn's: the master decides.
func (r *ridden) MayForward() error { return nil }

// BindAgent is pool.Conn's. What the binding is made of is the master's, and
// does not come with proxy mode.
func (r *ridden) BindAgent(io.ReadWriter) error { return nil }

// Ping is pool.Conn's: it asks nothing.
func (r *ridden) Ping(context.Context) (time.Duration, error) {
	select {
	case <-r.ended:
		return 0, errors.Join(errEnded, r.err)
	default:
		return 0, nil
	}
}

// Bytes is pool.Conn's: the master counts.
func (r *ridden) Bytes() (in, out int64) { return 0, 0 }

// Heard is pool.Conn's: the master looks after its path.
func (r *ridden) Heard() time.Time { return time.Now() }

// OnQuiet is pool.Conn's.
func (r *ridden) OnQuiet(func()) {}

// LastRTT is pool.Conn's.
func (r *ridden) LastRTT() time.Duration { return 0 }

// Rest is pool.Conn's.
func (r *ridden) Rest(bool) {}

// Fail is pool.Conn's.
func (r *ridden) Fail(error) { r.Close() }

// Info is pool.Conn's.
func (r *ridden) Info() hop.Info { return hop.Info{AuthMethod: "control socket", Opened: r.since} }

// Done is pool.Conn's.
func (r *ridden) Done() <-chan struct{} { return r.ended }

// Wait is pool.Conn's.
func (r *ridden) Wait() error {
	<-r.ended
	return r.err
}

var _ pool.Conn = (*ridden)(nil)
