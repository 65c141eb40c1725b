package hop

import (
	"context"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
	"sallyport/internal/identity"
	"sallyport/internal/race"
	"sallyport/internal/route"
)

// handshake runs the key exchange and the authentication over nc. The stage
// it returns is the one that failed.
//
// Closing nc ends the library's handshake, but behind a hop that has fallen
// silent the end of a tunnel is itself an answer to wait for: then the
// handshake is left to end with that hop's connection.
func (a attempt) handshake(ctx context.Context, nc net.Conn, limit time.Duration) (*Conn, Stage, error) {
	expired := make(chan struct{})
	dog := newWatchdog(func() { close(expired) })
	h := &handshake{attempt: a, ctx: ctx, dog: dog, wire: &wire{Conn: newJoiner(acknowledging(nc)), born: time.Now(), kex: &kexWatch{log: a.log}}}
	if a.ViaName != "" {
		h.wire.nudges = make(chan struct{}, 1)
	}
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
		cause = context.Cause(ctx)
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
	attempt
	ctx  context.Context
	dog  *watchdog
	wire *wire
	ssh  bool // the server has identified itself; the reader's own
	told bool // and its version was traced; the reader's own
	come bool // it has said something; the reader's own

	banners int // their bytes so far

	keys *keyChecker
	auth *authenticator
	set  *identity.Set
	bind *identity.Binding // what agents are bound with; nil if it was not seen
	meta ssh.ConnMetadata  // set once the keys are exchanged
	algs ssh.NegotiatedAlgorithms

	hostKeyAlgorithms []string
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
	if a, ok := c.(ssh.AlgorithmsConnMetadata); ok && h.meta == nil { // no authentication was wanted
		h.exchanged(c, a.Algorithms())
	}
	emit(h.ctx, Event{What: Authenticated, Method: h.auth.lastMethod(), Done: h.auth.done})
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
	remote := h.wire.RemoteAddr()
	if h.to.alternate {
		remote = nil // no address that is filed for the host, or to be filed
	}
	host := lookupHost(h.Hop, remote)
	store := newStore(o.HostKey, newKnownHostsCommand(h.Hop, host, h.Asker.Origin()))
	h.keys = &keyChecker{ctx: h.ctx, hop: h.Hop, store: store, host: host, ask: asker, log: h.log, alternate: h.to.alternate, readOnly: h.ReadOnly, consents: h.Consents}
	h.auth = newAuthenticator(h.ctx, h.Hop, asker, h.log, h.openIdentities)
	h.auth.written = h.wire.out.Load
	h.dog.name(StageHostKey) // KnownHostsCommand runs, while the server may speak already
	if h.hostKeyAlgorithms, err = h.orderHostKeys(store, host); err != nil {
		h.keys.err = err
		return nil, err
	}
	h.dog.name(StageBanner)
	h.wire.heard = h.heard
	return &ssh.ClientConfig{
		Config:            transport,
		User:              o.User,
		ClientVersion:     version(o.Transport.VersionAddendum),
		HostKeyAlgorithms: h.hostKeyAlgorithms,
		HostKeyCallback:   h.checkHostKey,
		BannerCallback:    h.banner,
		AuthCallback:      h.nextMethod,
	}, nil
}

// openIdentities gathers the keys to offer, at the first need: then the agent
// can be bound to this session.
func (h *handshake) openIdentities() ([]*identity.Identity, error) {
	config := identityConfig(h.Hop)
	config.Bind = h.bind
	set, err := identity.Open(h.ctx, config, identityAsker{h.Hop, watchedAsker{h.Asker, h.dog}})
	if err != nil {
		return nil, err
	}
	h.set = set
	if h.Trace != nil {
		emit(h.ctx, gathered(set))
	}
	for _, note := range set.Notes() {
		h.log.Debug(note)
	}
	return set.Identities(), nil
}

// orderHostKeys orders the algorithms by what is known of the host, so that
// the server shows a key that can be checked.
func (h *handshake) orderHostKeys(store *hostkey.Store, host hostkey.Host) ([]string, error) {
	o := h.Hop.Options.Transport
	names, err := usable("HostKeyAlgorithms", o.HostKeyAlgorithms, Supported().HostKeys)
	if err != nil || o.HostKeyAlgorithmsSet {
		return names, err
	}
	return store.Algorithms(h.ctx, host, names)
}

// checkHostKey is called in each key exchange of the connection, right before
// we send NEWKEYS.
func (h *handshake) checkHostKey(name string, remote net.Addr, key ssh.PublicKey) error {
	first := h.keys.key == nil
	if first {
		if err := h.admit(); err != nil {
			return err
		}
		h.dog.name(StageHostKey)
		h.log.Debug("server host key", "type", key.Type(), "fingerprint", hostkey.Fingerprint(key, h.Hop.Options.HostKey.FingerprintHash))
	}
	if err := h.keys.check(name, remote, key); err != nil {
		return err // in the stage of the host key: nothing else may be tried after it
	}
	if first {
		h.dog.name(StageKeyExchange)
		emit(h.ctx, Event{What: KeyAccepted})
	}
	if h.keys.unsafe != nil {
		h.auth.guarded = true
	}
	h.wire.kex.agreed()
	return nil
}

// admit waits until this is the attempt that goes on: the server is there, and
// has proved that the key it shows is its own.
func (h *handshake) admit() error {
	h.dog.pause()
	defer h.dog.resume()
	return h.pace.Admit(h.ctx)
}

func (h *handshake) banner(message string) error {
	if h.banners += len(message); h.banners > maxBanners {
		return errTooManyBanners
	}
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
	if h.meta == nil {
		h.exchanged(c.Metadata, c.Algorithms)
	}
	return h.auth.next(c)
}

// exchanged notes the outcome of the first key exchange.
func (h *handshake) exchanged(meta ssh.ConnMetadata, algs ssh.NegotiatedAlgorithms) {
	h.meta, h.algs = meta, algs
	if proof := h.wire.kex.proof(); proof != nil && h.keys.key != nil {
		h.bind = &identity.Binding{HostKey: h.keys.key, SessionID: meta.SessionID(), Signature: proof}
	}
	emit(h.ctx, Event{What: Exchanged, Version: Clean(string(meta.ServerVersion())), Algorithms: &Agreed{
		KeyExchange: algs.KeyExchange, HostKey: algs.HostKey,
		CipherOut: algs.Write.Cipher, CipherIn: algs.Read.Cipher, MACOut: algs.Write.MAC, MACIn: algs.Read.MAC,
	}})
	h.log.Debug("remote version", "version", Clean(string(meta.ServerVersion())))
	h.log.Debug("kex: algorithm: " + h.algs.KeyExchange)
	h.log.Debug("kex: host key algorithm: " + h.algs.HostKey)
	h.log.Debug(fmt.Sprintf("kex: server->client cipher: %s MAC: %s", h.algs.Read.Cipher, implicit(h.algs.Read.MAC)))
	h.log.Debug(fmt.Sprintf("kex: client->server cipher: %s MAC: %s", h.algs.Write.Cipher, implicit(h.algs.Write.MAC)))
}

// implicit names the MAC of a cipher that has its own.
func implicit(mac string) string {
	if mac == "" {
		return "<implicit>"
	}
	return mac
}

// heard moves from waiting for the identification to the key exchange, and
// renews the bound of an authentication.
func (h *handshake) heard() {
	if !h.come {
		h.come = true
		h.pace.Progress(race.HeadStart + h.patience(h.rtt))
	}
	if h.ssh = h.ssh || looksLikeSSH(h.wire.said()); h.ssh {
		h.dog.heard()
	}
	if h.Trace != nil && h.ssh && !h.told {
		version, whole := identification(h.wire.said())
		if h.told = whole; whole {
			emit(h.ctx, Event{What: Identified, Version: version})
		}
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
		return h.auth.failure(err)
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
	passphrases := o.NumberOfPasswordPrompts
	if passphrases == 0 {
		passphrases = -1 // "NumberOfPasswordPrompts 0": ask for nothing
	}
	return identity.Config{
		Files: o.IdentityFiles, FilesSet: o.IdentityFilesSet,
		CertificateFiles: o.CertificateFiles, IdentitiesOnly: o.IdentitiesOnly,
		Agent:               o.Agent,
		AcceptedAlgorithms:  o.PubkeyAcceptedAlgorithms,
		RequiredRSASize:     h.Options.HostKey.RequiredRSASize,
		SecurityKeyProvider: o.SecurityKeyProvider,
		AddKeysToAgent:      o.AddKeysToAgent,
		AddKeysLifetime:     o.AddKeysLifetime,
		PassphraseTries:     passphrases,
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
