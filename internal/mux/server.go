package mux

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// ServerConfig tunes Serve. Its zero value works.
type ServerConfig struct {
	// Log receives protocol steps; nil for none.
	Log *slog.Logger
	// PartTimeout bounds the wait for HELLO, for the rest of a packet of which
	// some bytes came, and for each descriptor; 30 s when 0.
	PartTimeout time.Duration
	// WriteTimeout bounds the writing of one reply to a client that does not
	// read; 30 s when 0.
	WriteTimeout time.Duration
	// Peer is who is at the other end, when the caller knows it; found by
	// asking the socket when nil.
	Peer *Peer
}

func (cfg ServerConfig) withDefaults() ServerConfig {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.PartTimeout == 0 {
		cfg.PartTimeout = 30 * time.Second
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = 30 * time.Second
	}
	return cfg
}

// Serve speaks the master's end of the protocol on conn until the client is
// done, breaks the protocol or ctx ends, and closes conn. When it returns,
// nothing that it started runs. A client's orderly departure is no error.
func Serve(ctx context.Context, conn *net.UnixConn, h Handler, cfg ServerConfig) error {
	cfg = cfg.withDefaults()
	defer conn.Close()
	s := &server{
		h:   h,
		log: cfg.Log,
		// Nobody, until the system tells who.
		peer: Peer{UID: math.MaxUint32},
		c:    &packetConn{conn: conn, partTimeout: cfg.PartTimeout, writeTimeout: cfg.WriteTimeout},
	}
	if cfg.Peer != nil {
		s.peer = *cfg.Peer
	} else if p, err := PeerOf(conn); err == nil {
		s.peer = p
	}
	stop := context.AfterFunc(ctx, s.c.interrupt)
	defer stop()
	err := s.serve(ctx)
	switch {
	case err == nil, err == errSessionOver:
		return nil
	case ctx.Err() != nil:
		if lost, ok := errors.AsType[Lost](context.Cause(ctx)); ok && !s.busy {
			_ = s.c.write(failure(sessionID, lost.Reason).packet)
		}
		return ctx.Err()
	case hasLeft(err):
		return nil
	}
	return err
}

// hasLeft reports whether err means that the client closed its end, be it
// with something of ours unread, or that we closed ours.
func hasLeft(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// A server is one client's connection.
type server struct {
	h    Handler
	log  *slog.Logger
	peer Peer
	c    *packetConn

	// busy is true once this connection had its session.
	busy    bool
	session sync.WaitGroup
}

// A reply is a finished packet, and what to do after it was written.
type reply struct {
	packet []byte
	then   func() error
}

func (s *server) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.session.Wait()
	defer cancel()
	if err := s.hello(); err != nil {
		return err
	}
	for {
		body, err := s.c.readPacket()
		if err != nil {
			return err
		}
		r, err := s.request(ctx, body)
		if werr := s.send(r); err == nil {
			err = werr
		}
		if err != nil {
			return err
		}
	}
}

func (s *server) send(r reply) error {
	if r.packet != nil {
		if err := s.c.write(r.packet); err != nil {
			return err
		}
	}
	if r.then != nil {
		return r.then()
	}
	return nil
}

// hello sends ours without waiting, then reads the client's.
func (s *server) hello() error {
	ours := newEncoder(msgHello).uint32(Version).string("info").string("0").packet()
	if err := s.c.write(ours); err != nil {
		return err
	}
	s.c.setReadDeadline(time.Now().Add(s.c.partTimeout))
	body, err := s.c.readPacket()
	s.c.setReadDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return protocolErrorf("no greeting for %v", s.c.partTimeout)
	} else if err != nil {
		return err
	}
	_, err = decodeHello(body)
	return err
}

// decodeHello returns the names of the peer's extensions; unknown ones are
// nobody's fault.
func decodeHello(body []byte) (extensions []string, err error) {
	d := &decoder{b: body}
	kind, version := d.uint32(), d.uint32()
	switch {
	case d.err != nil:
		return nil, protocolErrorf("greeting: %v", d.err)
	case kind != msgHello:
		return nil, protocolErrorf("message %#x before the greeting", kind)
	case version != Version:
		return nil, protocolErrorf("version %d is not supported", version)
	}
	for d.more() {
		name := d.string()
		d.bytes() // its value
		extensions = append(extensions, name)
	}
	if d.err != nil {
		return nil, protocolErrorf("greeting: %v", d.err)
	}
	return extensions, nil
}

// request performs one request. With an error, the reply is still sent and
// the client is then dropped.
func (s *server) request(ctx context.Context, body []byte) (reply, error) {
	d := &decoder{b: body}
	kind := d.uint32()
	if d.err == nil && kind == msgHello {
		return reply{}, protocolErrorf("a second greeting")
	}
	id := d.uint32()
	if d.err != nil {
		return reply{}, protocolErrorf("request: %v", d.err)
	}
	s.log.Debug("control request", "type", kind, "id", id, "pid", s.peer.PID)
	switch kind {
	case reqNewSession:
		return s.newSession(ctx, id, d)
	case reqStdioForward:
		return s.stdioForward(ctx, id, d)
	case reqOpenForward, reqCloseForward:
		return s.forward(ctx, kind, id, d)
	case reqInfo:
		return s.info(ctx, id, d)
	case reqAlive:
		return s.alive(ctx, id), nil
	case reqTerminate:
		return s.terminate(ctx, id), nil
	case reqStopListening:
		return s.stopListening(ctx, id), nil
	case reqProxy:
		return s.proxy(ctx, id)
	}
	return failure(id, "unsupported request"), nil
}

func (s *server) forward(ctx context.Context, kind, id uint32, d *decoder) (reply, error) {
	f, err := decodeForward(d)
	var bad errBadForward
	if errors.As(err, &bad) {
		s.log.Debug("control request refused", "err", err)
		return failure(id, "Invalid forwarding request"), nil
	} else if err != nil {
		return reply{}, protocolErrorf("forward: %v", err)
	}
	ctx, done := s.watch(ctx)
	defer done()
	if kind == reqCloseForward {
		return answer(id, s.h.CloseForward(ctx, s.peer, f)), nil
	}
	port, err := s.h.OpenForward(ctx, s.peer, f)
	if err == nil && f.Kind == ForwardRemote && f.ListenPath == "" && f.ListenPort == 0 {
		return reply{packet: newEncoder(repRemotePort).uint32(id).uint32(port).packet()}, nil
	}
	return answer(id, err), nil
}

func (s *server) stopListening(ctx context.Context, id uint32) reply {
	ctx, done := s.watch(ctx)
	defer done()
	return answer(id, s.h.StopListening(ctx, s.peer))
}

func (s *server) alive(ctx context.Context, id uint32) reply {
	ctx, done := s.watch(ctx)
	defer done()
	pid, err := s.h.Alive(ctx)
	if err != nil {
		return answer(id, err)
	}
	return reply{packet: newEncoder(repAlive).uint32(id).uint32(pid).packet()}
}

func (s *server) terminate(ctx context.Context, id uint32) reply {
	ctx, done := s.watch(ctx)
	defer done()
	quit, err := s.h.Terminate(ctx, s.peer)
	r := answer(id, err)
	if err == nil && quit != nil {
		r.then = func() error { quit(); return nil }
	}
	return r
}

// info answers with status 1 and the text, or 0 and why not. mux.c:
// mux_master_process_ext_info.
func (s *server) info(ctx context.Context, id uint32, d *decoder) (reply, error) {
	name := d.string()
	if d.err != nil {
		return reply{}, protocolErrorf("info: %v", d.err)
	}
	ctx, done := s.watch(ctx)
	defer done()
	status := uint32(1)
	text, err := s.h.Info(ctx, s.peer, name)
	if err != nil {
		status, text = 0, err.Error()
	}
	e := newEncoder(repInfo).uint32(id).uint32(status).string(printable(text))
	return reply{packet: e.packet()}, nil
}

// watch returns a ctx that ends when the client closes its end while a
// request is performed. done must be called before anything else is read.
func (s *server) watch(parent context.Context) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(parent)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if hungUp(s.c.conn) {
			cancel()
		}
	}()
	return ctx, func() {
		s.c.setReadDeadline(time.Unix(1, 0))
		<-ended
		s.c.setReadDeadline(time.Time{})
		cancel()
	}
}

// answer turns a Handler's verdict into OK, PERMISSION_DENIED or FAILURE.
func answer(id uint32, err error) reply {
	var denied Denied
	switch {
	case err == nil:
		return reply{packet: newEncoder(repOK).uint32(id).packet()}
	case errors.As(err, &denied):
		e := newEncoder(repDenied).uint32(id).string(printable(denied.Reason))
		return reply{packet: e.packet()}
	}
	return failure(id, err.Error())
}

func failure(id uint32, reason string) reply {
	return reply{packet: newEncoder(repFailure).uint32(id).string(printable(reason)).packet()}
}
