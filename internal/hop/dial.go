package hop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"sallyport/internal/race"
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
	// Prefer is where the hop was reached the last time: it is tried first.
	Prefer Spot
	// Resolver is for names; nil is the system's.
	Resolver *net.Resolver
	// Consents are those of all dials that are to ask about one host key once;
	// nil for a dial on its own.
	Consents *Consents
	// Trace hears of the steps; nil for nobody.
	Trace Trace
	// ReadOnly leaves everything as it is: no key is recorded in known_hosts
	// or added to the agent.
	ReadOnly bool
}

// Dial connects to a hop, at the first of its addresses that works, and
// authenticates, at one of them only. It ends when ctx does, and every stage is
// bounded. A failure is an *Error, of a *WaysError if several were tried.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	d := newDial(cfg)
	ctx = withTrace(ctx, cfg.Trace)
	if err := d.negotiable(); err != nil {
		return nil, d.fail(StageKeyExchange, err)
	}
	start := time.Now()
	ctx, stop := d.bounded(ctx)
	defer stop()
	conn, err := d.reach(ctx)
	if err != nil {
		return nil, err
	}
	d.pacer().Progress(race.HeadStart + d.patience(conn.rtt))
	d.log.Info("connected", "addr", conn.spot.addr, "took", time.Since(start).Round(time.Millisecond))
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

// open makes the byte stream by a channel through the hop before or by the
// ProxyCommand.
func (a attempt) open(ctx context.Context) (net.Conn, Stage, error) {
	if a.Via == nil {
		a.log.Debug("starting the ProxyCommand", "fdpass", a.Hop.Options.Proxy.UseFdpass)
		emit(ctx, Event{What: Commanding})
		conn, err := a.proxy(ctx)
		return conn, StageConnect, err
	}
	a.log.Debug("opening a tunnel", "addr", a.at, "via", a.ViaName)
	emit(ctx, Event{What: Opening, Addr: a.at})
	conn, err := withTimeout(ctx, a.timeout(), StageOpen, func(ctx context.Context) (net.Conn, error) {
		return dialTunnel(ctx, a.Via, a.to.host, a.to.port)
	})
	emit(ctx, Event{What: Opened, Addr: a.at, Err: err})
	return conn, StageOpen, err
}

// proxy starts the ProxyCommand; with ProxyUseFdpass it waits for the
// descriptor that the command passes.
func (d *dial) proxy(ctx context.Context) (net.Conn, error) {
	o := d.Hop.Options.Proxy
	tell := func(line string) { d.Asker.Tell(Notice{d.Hop.Name, NoticeInfo, line}) }
	if !o.UseFdpass {
		return startProxyCommand(o.Command, d.Asker.Origin(), tell)
	}
	conn, err := withTimeout(ctx, d.timeout(), StageConnect, func(ctx context.Context) (net.Conn, error) {
		return receiveFromProxy(ctx, o.Command, d.Asker.Origin(), tell)
	})
	if late, ok := errors.AsType[*TimeoutError](err); ok {
		late.Doing = "nothing came"
		err = fmt.Errorf("%w: %w", errNoDescriptor, late)
	}
	return conn, err
}

// errNoDescriptor blames the command, and not the host that it was to reach.
var errNoDescriptor = errors.New("ProxyUseFdpass: the ProxyCommand passed no descriptor")

// withTimeout bounds f, and words the bound's end as a TimeoutError.
func withTimeout[T any](ctx context.Context, limit time.Duration, stage Stage, f func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	v, err := f(bounded)
	// The dialer keeps the deadline by itself, a little before the context does.
	late := bounded.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if err != nil && late {
		var none T
		return none, &TimeoutError{After: roundly(limit).String(), Doing: silence[stage]}
	}
	return v, err
}
