package hop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
	"sallyport/internal/identity"
	"sallyport/internal/route"
)

// Bounds that ssh_config(5) has no keyword for.
const (
	// DefaultConnectTimeout is used when ConnectTimeout is not set.
	DefaultConnectTimeout = 10 * time.Second
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
}

// Dial connects to a hop and authenticates. It ends when ctx does, and every
// stage is bounded. A failure is an *Error.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	d := newDial(cfg)
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
	if t := d.Hop.Options.Connect.Timeout; t > 0 {
		return t
	}
	return DefaultConnectTimeout
}

// connect makes the byte stream to the hop.
func (d *dial) connect(ctx context.Context) (net.Conn, Stage, error) {
	o := d.Hop.Options
	switch {
	case d.Via != nil:
		d.log.Debug("opening a tunnel", "addr", d.Hop.Addr(), "via", d.ViaName)
		conn, err := withTimeout(ctx, d.timeout(), StageOpen, func(ctx context.Context) (net.Conn, error) {
			return dialTunnel(ctx, d.Via, o.HostName, o.Port)
		})
		return conn, StageOpen, err
	case o.Proxy.Command != "":
		d.log.Debug("starting the ProxyCommand")
		conn, err := startProxyCommand(o.Proxy.Command, d.Asker.Origin(), func(line string) {
			d.Asker.Tell(Notice{d.Hop.Name, NoticeInfo, line})
		})
		return conn, StageConnect, err
	}
	d.log.Debug("connecting", "addr", d.Hop.Addr())
	stage := StageConnect
	conn, err := withTimeout(ctx, d.timeout(), StageConnect, func(ctx context.Context) (conn net.Conn, err error) {
		conn, stage, err = dialTCP(ctx, o.HostName, o.Port, o.Connect)
		return conn, err
	})
	return conn, stage, err
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

// handshake runs the key exchange and the authentication over nc. The stage
// it returns is the one that failed.
//
// Closing nc ends the library's handshake, but behind a hop that has fallen
// silent the end of a tunnel is itself an answer to wait for: then the
// handshake is left to end with that hop's connection.
func (d *dial) handshake(ctx context.Context, nc net.Conn, limit time.Duration) (*Conn, Stage, error) {
	expired := make(chan struct{})
	dog := newWatchdog(func() { close(expired) })
	h := &handshake{dial: d, ctx: ctx, dog: dog, wire: &wire{Conn: nc}}
	dog.enter(StageBanner, limit)
	type result struct {
		conn *Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		conn, err := h.run()
		done <- result{conn, err}
	}()
	var cause error
	select {
	case r := <-done:
		stage, _ := dog.stop()
		return r.conn, stage, h.explain(stage, r.err)
	case <-expired:
	case <-ctx.Done():
		cause = ctx.Err()
	}
	stage, err := dog.stop()
	if cause == nil {
		cause = err
		if said := h.wire.said(); stage == StageBanner && len(said) > 0 {
			cause = notSSH(said)
		}
	}
	nc.Close()
	go func() {
		if r := <-done; r.conn != nil {
			r.conn.Close()
		}
	}()
	return nil, stage, cause
}

// handshake is the library's handshake with our callbacks.
type handshake struct {
	*dial
	ctx  context.Context
	dog  *watchdog
	wire *wire
	ssh  bool // the server has identified itself; the reader's own
	keys *keyChecker
	auth *authenticator
	set  *identity.Set
}

func (h *handshake) run() (*Conn, error) {
	config, err := h.config()
	if err != nil {
		return nil, err
	}
	defer func() {
		if h.set != nil {
			h.set.Close()
		}
	}()
	c, channels, requests, err := ssh.NewClientConn(h.wire, h.Hop.Addr(), config)
	if err != nil {
		return nil, err
	}
	return newConn(h, c, channels, requests), nil
}

// config builds the library's configuration for this hop.
func (h *handshake) config() (*ssh.ClientConfig, error) {
	o := h.Hop.Options
	transport, err := transportConfig(o.Transport)
	if err != nil {
		return nil, err
	}
	asker := watchedAsker{h.Asker, h.dog}
	store := newStore(o.HostKey, nil)
	host := lookupHost(h.Hop, h.wire.RemoteAddr())
	h.keys = &keyChecker{ctx: h.ctx, hop: h.Hop, store: store, host: host, ask: asker}
	h.auth = newAuthenticator(h.ctx, h.Hop, asker, h.log, func() ([]*identity.Identity, error) {
		set, err := identity.Open(h.ctx, identityConfig(h.Hop), identityAsker{h.Hop, asker})
		if err != nil {
			return nil, err
		}
		h.set = set
		return set.Identities(), nil
	})
	hostKeys, err := h.hostKeyAlgorithms(store, host)
	if err != nil {
		return nil, err
	}
	h.wire.heard = h.heard
	return &ssh.ClientConfig{
		Config:            transport,
		User:              o.User,
		ClientVersion:     version(o.Transport.VersionAddendum),
		HostKeyAlgorithms: hostKeys,
		HostKeyCallback:   h.checkHostKey,
		BannerCallback:    h.banner,
		AuthCallback:      h.nextMethod,
	}, nil
}

// hostKeyAlgorithms orders the algorithms by what is known of the host, so
// that the server shows a key that can be checked.
func (h *handshake) hostKeyAlgorithms(store *hostkey.Store, host hostkey.Host) ([]string, error) {
	o := h.Hop.Options.Transport
	names, err := usable("HostKeyAlgorithms", o.HostKeyAlgorithms, Supported().HostKeys)
	if err != nil || o.HostKeyAlgorithmsSet {
		return names, err
	}
	return store.Algorithms(h.ctx, host, names)
}

func (h *handshake) checkHostKey(name string, remote net.Addr, key ssh.PublicKey) error {
	h.dog.name(StageHostKey)
	if err := h.keys.check(name, remote, key); err != nil {
		return err
	}
	h.log.Debug("host key accepted", "type", key.Type(), "fingerprint", ssh.FingerprintSHA256(key))
	h.dog.name(StageKeyExchange)
	return nil
}

func (h *handshake) banner(message string) error {
	h.Asker.Tell(Notice{h.Hop.Name, NoticeBanner, message})
	return nil
}

// nextMethod enters the authentication stage, whose bound is per answer of
// the server, and chooses the method.
func (h *handshake) nextMethod(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	limit := max(authTimeout, h.timeout())
	if h.auth.answered {
		limit = patientAuthTimeout
	}
	h.dog.enter(StageAuthenticate, limit)
	return h.auth.next(c)
}

// heard moves from waiting for the identification to the key exchange, and
// renews the bound of an authentication.
func (h *handshake) heard() {
	if h.ssh = h.ssh || looksLikeSSH(h.wire.said()); h.ssh {
		h.dog.heard()
	}
}

// explain words an error of the library with what we know.
func (h *handshake) explain(stage Stage, err error) error {
	switch {
	case err == nil:
		return nil
	case h.keys != nil && h.keys.err != nil:
		return h.keys.err
	case stage == StageAuthenticate:
		if errors.Is(err, errNoMethods) {
			err = nil
		}
		if h.auth.giveUp != nil {
			err = h.auth.giveUp
		}
		return h.auth.failure(libraryError(err))
	case stage == StageBanner || !looksLikeSSH(h.wire.said()):
		if said := h.wire.said(); len(said) > 0 {
			return notSSH(said)
		}
		return fmt.Errorf("closed the connection before saying anything (%w)", libraryError(err))
	}
	return libraryError(err)
}

// identityConfig translates the options for package identity.
func identityConfig(h route.Hop) identity.Config {
	o := h.Options.Auth
	return identity.Config{
		Files: o.IdentityFiles, FilesSet: o.IdentityFilesSet,
		CertificateFiles: o.CertificateFiles, IdentitiesOnly: o.IdentitiesOnly,
		Agent:               o.Agent,
		AcceptedAlgorithms:  o.PubkeyAcceptedAlgorithms,
		RequiredRSASize:     h.Options.HostKey.RequiredRSASize,
		PKCS11Provider:      o.PKCS11Provider,
		SecurityKeyProvider: o.SecurityKeyProvider,
		AddKeysToAgent:      o.AddKeysToAgent,
		AddKeysLifetime:     o.AddKeysLifetime,
		PassphraseTries:     o.NumberOfPasswordPrompts,
	}
}

// version is our identification string, RFC 4253 §4.2.
func version(addendum string) string {
	v := "SSH-2.0-Sallyport_1"
	if addendum != "" {
		v += " " + addendum
	}
	return v
}
