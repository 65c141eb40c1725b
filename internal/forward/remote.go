package forward

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshconfig"
)

// Requester sends global requests; *ssh.Client is one.
type Requester interface {
	SendRequest(name string, wantReply bool, payload []byte) (bool, []byte, error)
}

// RefusedError is a server that does not listen for us. SSH has no words for
// the reason.
type RefusedError struct {
	Spec sshconfig.ForwardSpec
}

func (e *RefusedError) Error() string {
	return "forward " + Describe(e.Spec) + ": the server refuses to listen"
}

// Incoming is the remote forwards of one SSH connection. The channels that the
// server opens are handed to it.
type Incoming struct {
	requester Requester
	waiting   *group // channels whose forward is not known yet

	// state: guarded by mu
	mu      sync.Mutex
	changed *sync.Cond // pending or remotes changed, or closed
	remotes []*RemoteListener
	pending int // requests for a port of the server's choice under way
	closed  bool
}

// NewIncoming makes the registry of one connection.
func NewIncoming(r Requester) *Incoming {
	in := &Incoming{requester: r, waiting: newGroup()}
	in.waiting.max = maxUndecided
	in.changed = sync.NewCond(&in.mu)
	return in
}

// ChannelTypes are the types that Handle takes.
func ChannelTypes() []string { return []string{forwardedTCP, forwardedUnix} }

// RemoteListener is a remote forward: the server listens, connections come to
// us and go to a target here, or to where SOCKS says.
type RemoteListener struct {
	// config: not changed after Listen
	in   *Incoming
	kind Kind
	spec sshconfig.ForwardSpec
	host string // as the server was asked to bind it
	port int    // as chosen by the server when 0 was asked for; guarded by in.mu till then
	opts Options
	// accept, when set, is given the channels instead of a target.
	accept func(ssh.NewChannel)

	conns  *group
	seats  seats
	cancel sync.Once
	gone   chan struct{} // closed when it is not listened for any more
}

// tcpListen is the data of tcpip-forward and of its cancellation. RFC 4254 §7.1.
type tcpListen struct {
	Host string
	Port uint32
}

// unixListen is the data of streamlocal-forward.
type unixListen struct{ Path string }

// Listen asks the server to listen. It returns when the server has answered or
// ctx has ended. The error is a *RefusedError when the server said no.
func (in *Incoming) Listen(ctx context.Context, spec sshconfig.ForwardSpec, opts Options) (*RemoteListener, error) {
	return in.listen(ctx, spec, opts, nil)
}

// ListenRaw is Listen for somebody who takes the channels as they come:
// accept must not block. Only what spec says of listening counts,
// and closing the listener leaves the channels alone.
func (in *Incoming) ListenRaw(ctx context.Context, spec sshconfig.ForwardSpec, accept func(ssh.NewChannel)) (*RemoteListener, error) {
	spec.ConnectHost, spec.ConnectPort, spec.ConnectPath = "", 0, ""
	return in.listen(ctx, spec, Options{}, accept)
}

func (in *Incoming) listen(ctx context.Context, spec sshconfig.ForwardSpec, opts Options, accept func(ssh.NewChannel)) (*RemoteListener, error) {
	if err := Check(spec, true); err != nil {
		return nil, err
	}
	opts.fill()
	r := &RemoteListener{
		in: in, kind: KindOf(spec, true), spec: spec, opts: opts, accept: accept,
		host: remoteBindHost(spec.ListenHost), port: spec.ListenPort,
		conns: newGroup(), seats: opts.Limit.seats(), gone: make(chan struct{}),
	}
	r.conns.max = maxForwarded
	// The first channel may come before the answer is seen: a forward with a
	// known port is registered now; one without makes channels wait.
	if r.chosenByServer() {
		in.addPending(1)
		defer in.addPending(-1)
	} else {
		in.register(r)
	}
	port, err := in.ask(ctx, r)
	if err != nil {
		in.unregister(r)
		r.conns.close()
		return nil, err
	}
	if r.chosenByServer() {
		r.port = port
		in.register(r)
	}
	return r, nil
}

// remoteBindHost is what the server is asked for (channels.c:
// channel_rfwd_bind_host).
func remoteBindHost(host string) string {
	switch host {
	case "":
		return "localhost"
	case "*":
		return ""
	}
	return host
}

func (r *RemoteListener) chosenByServer() bool {
	return r.spec.ListenPath == "" && r.spec.ListenPort == 0
}

// ask sends the request and reads the port from the answer to it. A consent
// that comes after ctx has ended is taken back.
func (in *Incoming) ask(ctx context.Context, r *RemoteListener) (port int, err error) {
	type answer struct {
		ok    bool
		reply []byte
		err   error
	}
	answers := make(chan answer)
	go func() {
		var a answer
		name, payload := r.message(listenTCP, listenUnix, r.spec.ListenPort)
		a.ok, a.reply, a.err = in.requester.SendRequest(name, true, payload)
		select {
		case answers <- a:
		case <-ctx.Done():
			if port, err := r.granted(a.reply); a.ok && err == nil {
				r.sendCancel(port)
			}
		}
	}()
	select {
	case a := <-answers:
		switch {
		case a.err != nil:
			return 0, fmt.Errorf("forward %s: %w", Describe(r.spec), a.err)
		case !a.ok:
			return 0, &RefusedError{Spec: r.spec}
		}
		return r.granted(a.reply)
	case <-ctx.Done():
		return 0, fmt.Errorf("forward %s: %w", Describe(r.spec), context.Cause(ctx))
	}
}

// granted is the port of an answer. RFC 4254 §7.1: it is there only when 0 was
// asked for.
func (r *RemoteListener) granted(reply []byte) (int, error) {
	if !r.chosenByServer() {
		return r.spec.ListenPort, nil
	}
	if len(reply) < 4 {
		return 0, fmt.Errorf("forward %s: the server names no port", Describe(r.spec))
	}
	port := binary.BigEndian.Uint32(reply)
	if port == 0 || port > 65535 {
		return 0, fmt.Errorf("forward %s: the server names port %d", Describe(r.spec), port)
	}
	return int(port), nil
}

// message picks the request for the kind of listener.
func (r *RemoteListener) message(tcp, unix string, port int) (string, []byte) {
	if r.spec.ListenPath != "" {
		return unix, ssh.Marshal(unixListen{Path: r.spec.ListenPath})
	}
	return tcp, ssh.Marshal(tcpListen{Host: r.host, Port: uint32(port)})
}

func (r *RemoteListener) sendCancel(port int) {
	name, payload := r.message(cancelTCP, cancelUnix, port)
	// Without an answer: nothing would follow from it.
	_, _, _ = r.in.requester.SendRequest(name, false, payload)
}

func (in *Incoming) addPending(n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.pending += n
	in.changed.Broadcast()
}

func (in *Incoming) register(r *RemoteListener) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.remotes = append(in.remotes, r)
	in.changed.Broadcast()
}

func (in *Incoming) unregister(r *RemoteListener) {
	in.mu.Lock()
	defer in.mu.Unlock()
	kept := in.remotes[:0:0]
	for _, other := range in.remotes {
		if other != r {
			kept = append(kept, other)
		}
	}
	in.remotes = kept
}

// Handle takes a channel that the server opens, of one of ChannelTypes, and
// returns at once.
func (in *Incoming) Handle(nc ssh.NewChannel) {
	key, err := parseForwarded(nc)
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, "malformed channel data")
		return
	}
	if !in.waiting.run(func() { in.dispatch(nc, key) }) {
		_ = nc.Reject(ssh.ResourceShortage, "too many channels, or the connection is closing")
	}
}

// What a server may have us do at a time, whatever it opens: it shares this
// process, its memory and descriptors with the connections to other servers.
const (
	maxUndecided = 256  // channels that are being refused or looked up
	maxForwarded = 1024 // connections of one remote forward
)

// dispatch finds the forward of a channel, or rejects it. RFC 4254 §7.2: a
// channel that was not asked for must be rejected.
func (in *Incoming) dispatch(nc ssh.NewChannel, key forwardedKey) {
	r := in.find(key)
	if r == nil {
		_ = nc.Reject(ssh.Prohibited, "no such forward")
		return
	}
	if !r.conns.run(func() { r.serve(nc, key.peer) }) {
		_ = nc.Reject(ssh.ResourceShortage, "forward closed, or too many connections")
	}
}

// find waits as long as an answer that may name the port is under way.
func (in *Incoming) find(key forwardedKey) *RemoteListener {
	in.mu.Lock()
	defer in.mu.Unlock()
	for !in.closed {
		if r := in.match(key); r != nil || in.pending == 0 {
			return r
		}
		in.changed.Wait()
	}
	return nil
}

// match looks for the very listener, then for the only one with that port:
// servers differ in how they spell the address back.
func (in *Incoming) match(key forwardedKey) *RemoteListener {
	var samePort []*RemoteListener
	for _, r := range in.remotes {
		switch {
		case key.path != r.spec.ListenPath:
		case key.path != "" || r.port == key.port && r.host == key.host:
			return r
		case r.port == key.port:
			samePort = append(samePort, r)
		}
	}
	if len(samePort) == 1 {
		return samePort[0]
	}
	return nil
}

// Close ends all remote forwards of the connection and waits for everything
// they started. The server is not told: the connection is gone, or will be.
func (in *Incoming) Close() error {
	in.mu.Lock()
	in.closed = true
	remotes := in.remotes
	in.remotes = nil
	in.changed.Broadcast()
	in.mu.Unlock()
	in.waiting.close()
	for _, r := range remotes {
		r.cancel.Do(func() { close(r.gone) })
		r.conns.close()
	}
	return nil
}

// Port is the TCP port that the server listens on, 0 for a Unix socket.
func (r *RemoteListener) Port() int { return r.port }

// State tells how the forward is doing.
func (r *RemoteListener) State() State {
	st := State{Kind: r.kind, Spec: r.spec, Target: targetOf(r.spec).String()}
	select {
	case <-r.gone:
	default:
		st.Listen = []string{r.listenName()}
	}
	r.opts.Stats.snapshot(&st)
	return st
}

func (r *RemoteListener) listenName() string {
	if r.spec.ListenPath != "" {
		return r.spec.ListenPath
	}
	host := r.host
	if host == "" {
		host = "*"
	}
	return net.JoinHostPort(host, strconv.Itoa(r.port))
}

// StopListening tells the server to listen no more, and refuses what may still
// come. The connections there are go on.
func (r *RemoteListener) StopListening() {
	r.cancel.Do(func() {
		close(r.gone)
		r.in.unregister(r)
		r.sendCancel(r.port)
	})
}

// Drain stops listening and waits until the connections have ended. When ctx
// ends before, they are closed and its error is returned.
func (r *RemoteListener) Drain(ctx context.Context) error {
	r.StopListening()
	return r.conns.drain(ctx)
}

// Close stops listening, ends all connections and waits until nothing that the
// forward started runs.
func (r *RemoteListener) Close() error {
	r.StopListening()
	r.conns.close()
	return nil
}

// serve carries one connection to its target.
func (r *RemoteListener) serve(nc ssh.NewChannel, peer string) {
	if r.accept != nil {
		r.accept(nc)
		return
	}
	if !r.seats.try() {
		_ = nc.Reject(ssh.ResourceShortage, "too many connections")
		return
	}
	defer r.seats.free()
	defer r.opts.Stats.begin()()
	log := r.opts.Log.With("forward", Describe(r.spec), "peer", peer)
	var err error
	if r.kind == RemoteDynamic {
		err = r.serveSOCKS(nc, log)
	} else {
		err = r.serveFixed(nc, log)
	}
	if err == nil || errors.Is(context.Cause(r.conns.ctx), ErrClosed) {
		return
	}
	r.opts.Stats.fail(err)
	log.Debug("connection failed", "err", err)
}

// serveFixed dials before it accepts, so that a failure is a refusal.
func (r *RemoteListener) serveFixed(nc ssh.NewChannel, log *slog.Logger) error {
	conn, err := r.dial(targetOf(r.spec))
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, reasonOf(err))
		return err
	}
	ch, requests, err := nc.Accept()
	if err != nil {
		_ = conn.Close()
		return err
	}
	r.splice(newChannel(ch, requests), conn, targetOf(r.spec), log)
	return nil
}

// serveSOCKS accepts first: the request comes through the channel.
func (r *RemoteListener) serveSOCKS(nc ssh.NewChannel, log *slog.Logger) error {
	accepted, requests, err := nc.Accept()
	if err != nil {
		return err
	}
	ch := newChannel(accepted, requests)
	r.conns.add(ch)
	defer r.conns.remove(ch)
	defer ch.Close()
	request, err := handshake(ch, r.opts.SOCKSTimeout)
	if err != nil {
		return err
	}
	if !permitted(r.opts.PermitRemoteOpen, request.target) {
		err = &OpenError{Target: request.target.String(), Err: ErrNotPermitted}
		_, _ = ch.Write(request.refusal(err))
		return err
	}
	conn, err := r.dial(request.target)
	if err != nil {
		_, _ = ch.Write(request.refusal(err))
		return err
	}
	if _, err := ch.Write(request.success()); err != nil {
		_ = conn.Close()
		return err
	}
	r.splice(&prefixed{Stream: ch, head: request.rest}, conn, request.target, log)
	return nil
}

func (r *RemoteListener) splice(ch, conn Stream, t target, log *slog.Logger) {
	for _, s := range []Stream{ch, conn} {
		r.conns.add(s)
		defer r.conns.remove(s)
	}
	log.Debug("connection opened", "target", t.String())
	err := Splice(ch, conn, &r.opts.Stats.bytes)
	log.Debug("connection closed", "target", t.String(), "err", err)
}

func (r *RemoteListener) dial(t target) (Stream, error) {
	network, address := "unix", t.path
	if t.path == "" {
		network, address = "tcp", t.String()
		switch r.opts.AddressFamily {
		case "inet":
			network = "tcp4"
		case "inet6":
			network = "tcp6"
		}
	}
	var d net.Dialer
	conn, err := d.DialContext(r.conns.ctx, network, address)
	if err != nil {
		return nil, &OpenError{Target: t.String(), Err: err}
	}
	return conn.(Stream), nil
}

// reasonOf is the innermost error's text: the far side has no business with
// our addresses.
func reasonOf(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
