package hop

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"sallyport/internal/route"
)

// Bounds that ssh_config(5) has no keyword for.
const (
	// DefaultConnectTimeout is used when ConnectTimeout is not set.
	DefaultConnectTimeout = 10 * time.Second
	// proxyConnectTimeout takes its place for a ProxyCommand, which may have a
	// login of its own to do.
	proxyConnectTimeout = 60 * time.Second
	// authTimeout bounds each answer of the server during authentication;
	// patientAuthTimeout applies once a secret was sent, since the server may
	// then wait for a push to somebody's phone. It is sshd's LoginGraceTime.
	authTimeout        = 30 * time.Second
	patientAuthTimeout = 120 * time.Second
)

// Config is what one dial needs. Hop is required; the rest has usable zero
// values.
type Config struct {
	Hop route.Hop
	// Via is the connection to the hop before and ViaName its alias; nil for
	// the first hop.
	Via     Opener
	ViaName string
	Asker   Asker
	Log     *slog.Logger
	// MayOpen, when set, is asked before a channel is opened on the connection
	// that comes of it; its error is that of the opening.
	MayOpen func() error
	// Trace hears of the steps; nil for nobody.
	Trace Trace
	// ReadOnly leaves everything as it is: no key is recorded in known_hosts
	// or added to the agent.
	ReadOnly bool
}

// Dial connects to a hop and authenticates. It ends when ctx does, and every
// stage is bounded. A failure is an *Error.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	d := newDial(cfg)
	ctx = withTrace(ctx, cfg.Trace)
	if err := d.negotiable(); err != nil {
		return nil, d.fail(StageKeyExchange, err)
	}
	start := time.Now()
	nc, stage, err := d.connect(ctx)
	if err != nil {
		return nil, d.fail(stage, err)
	}
	left := d.timeout() - time.Since(start)
	conn, stage, err := d.handshake(ctx, nc, max(left, time.Second))
	if err != nil {
		nc.Close()
		return nil, d.fail(stage, err)
	}
	d.log.Info("connected", "took", time.Since(start).Round(time.Millisecond))
	return conn, nil
}

// dial is one dial under way.
type dial struct {
	Config
	log *slog.Logger
}

func newDial(cfg Config) *dial {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Asker == nil {
		cfg.Asker = nobody{}
	}
	if cfg.ReadOnly {
		cfg.Hop.Options.HostKey.UpdateHostKeys = "no"
		cfg.Hop.Options.Auth.AddKeysToAgent = "no"
	}
	return &dial{Config: cfg, log: cfg.Log.With("hop", cfg.Hop.Name)}
}

// nobody answers nothing.
type nobody struct{}

func (nobody) Ask(context.Context, Question) (string, error) { return "", ErrNobody }
func (nobody) Tell(Notice)                                   {}
func (nobody) Origin() Origin                                { return Origin{} }

func (d *dial) fail(stage Stage, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Hop: d.Hop.Name, Addr: d.Hop.Addr(), Via: d.ViaName, Stage: stage, Err: err}
}

// timeout bounds connecting and the key exchange together, as ConnectTimeout
// does in ssh(1).
func (d *dial) timeout() time.Duration {
	switch o := d.Hop.Options; {
	case o.Connect.Timeout > 0:
		return o.Connect.Timeout
	case d.Via == nil && o.Proxy.Command != "":
		return proxyConnectTimeout
	}
	return DefaultConnectTimeout
}

// negotiable refuses options that the transport cannot meet, before anything
// is dialled, and notes which of several algorithms it lacks.
func (d *dial) negotiable() error {
	o := d.Hop.Options.Transport
	if _, err := transportConfig(o); err != nil {
		return err
	}
	have := Supported()
	if _, err := usable("HostKeyAlgorithms", o.HostKeyAlgorithms, have.HostKeys); err != nil {
		return err
	}
	for what, names := range map[string][]string{
		"Ciphers": unsupported(o.Ciphers, have.Ciphers), "MACs": unsupported(o.MACs, have.MACs),
		"KexAlgorithms": unsupported(o.KexAlgorithms, have.KeyExchanges), "HostKeyAlgorithms": unsupported(o.HostKeyAlgorithms, have.HostKeys),
	} {
		if len(names) > 0 {
			d.log.Log(context.Background(), slog.LevelDebug-1, "not supported by the transport", "keyword", what, "names", strings.Join(names, ","))
		}
	}
	return nil
}

// connect makes the byte stream to the hop.
func (d *dial) connect(ctx context.Context) (net.Conn, Stage, error) {
	o := d.Hop.Options
	switch {
	case d.Via != nil:
		d.log.Debug("opening a tunnel", "addr", d.Hop.Addr(), "via", d.ViaName)
		emit(ctx, Event{What: Opening, Addr: d.Hop.Addr()})
		conn, err := withTimeout(ctx, d.timeout(), StageOpen, func(ctx context.Context) (net.Conn, error) {
			return dialTunnel(ctx, d.Via, o.HostName, o.Port)
		})
		emit(ctx, Event{What: Opened, Addr: d.Hop.Addr(), Err: err})
		return conn, StageOpen, err
	case o.Proxy.Command != "":
		d.log.Debug("starting the ProxyCommand", "fdpass", o.Proxy.UseFdpass)
		emit(ctx, Event{What: Commanding})
		conn, err := d.proxy(ctx)
		return conn, StageConnect, err
	}
	d.log.Debug("connecting", "addr", d.Hop.Addr())
	return d.direct(ctx)
}

// direct connects by TCP, ConnectionAttempts times at most, a second apart as
// ssh(1) does. Each attempt has the whole bound.
func (d *dial) direct(ctx context.Context) (conn net.Conn, stage Stage, err error) {
	o := d.Hop.Options
	for attempt := 1; ; attempt++ {
		stage = StageConnect
		conn, err = withTimeout(ctx, d.timeout(), StageConnect, func(ctx context.Context) (conn net.Conn, err error) {
			conn, stage, err = dialTCP(ctx, o.HostName, o.Port, o.Connect)
			return conn, err
		})
		if err == nil || stage != StageConnect || attempt >= o.Connect.Attempts || !pauseFor(ctx, time.Second) {
			return conn, stage, err
		}
		d.log.Debug("connecting again", "attempt", attempt+1, "err", err)
	}
}

// proxy starts the ProxyCommand; with ProxyUseFdpass it waits for the
// descriptor that the command passes.
func (d *dial) proxy(ctx context.Context) (net.Conn, error) {
	o := d.Hop.Options.Proxy
	tell := func(line string) { d.Asker.Tell(Notice{d.Hop.Name, NoticeInfo, line}) }
	if !o.UseFdpass {
		return startProxyCommand(o.Command, d.Asker.Origin(), tell)
	}
	return withTimeout(ctx, d.timeout(), StageConnect, func(ctx context.Context) (net.Conn, error) {
		return receiveFromProxy(ctx, o.Command, d.Asker.Origin(), tell)
	})
}

// withTimeout bounds f, and words the bound's end as a TimeoutError.
func withTimeout(ctx context.Context, limit time.Duration, stage Stage, f func(context.Context) (net.Conn, error)) (net.Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := f(bounded)
	// The dialer keeps the deadline by itself, a little before the context does.
	late := bounded.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)
	if err != nil && late && ctx.Err() == nil {
		return nil, &TimeoutError{After: limit.String(), Doing: silence[stage]}
	}
	return conn, err
}
