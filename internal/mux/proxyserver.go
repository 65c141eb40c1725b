package mux

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
)

// maxProxyChannels bounds the channels of one proxy client, those being
// opened included.
const maxProxyChannels = 512

// A proxyServer ends a proxy client's connection protocol here and performs it
// on an Upstream, channel by channel. That differs from OpenSSH, which rewrites
// the channel numbers in the client's packets: whoever holds the connection
// numbers its channels already, and a client's mistake stays its own this way.
// Each direction of a channel has a window of its own, so one that stands
// still holds up no other.
type proxyServer struct {
	// config: not changed after newProxyServer
	up  Upstream
	c   *proxyConn
	log *slog.Logger
	// globals has global requests to perform in order, because replies carry
	// no id (RFC 4254 §4).
	globals chan globalRequest
	wg      sync.WaitGroup

	// state: guarded by mu
	mu        sync.Mutex
	channels  map[uint32]*proxyChannel
	next      uint32
	listeners map[RemoteListen]func() error
	over      bool // no more channels
}

type globalRequest struct {
	name      string
	wantReply bool
	payload   []byte
}

// serveProxy serves a client that was told that it may speak. It returns when
// the client is gone or broke the protocol, the shared connection is lost or
// ctx ends; conn and up are then closed. Only what waits for the
// server to close a channel may outlive it.
func serveProxy(ctx context.Context, conn net.Conn, up Upstream, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &proxyServer{
		up:        up,
		c:         newProxyConn(conn),
		log:       log,
		globals:   make(chan globalRequest, 16),
		channels:  make(map[uint32]*proxyChannel),
		listeners: make(map[RemoteListen]func() error),
	}
	// A write to a client that does not read ends with this, too.
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	s.wg.Go(func() { s.serveGlobals(ctx) })
	s.wg.Go(func() {
		select {
		case <-up.Done():
			cancel()
		case <-ctx.Done():
		}
	})
	err := s.read(ctx)
	cancel()
	close(s.globals)
	_ = conn.Close()
	s.shutDown()
	s.wg.Wait()
	if cerr := up.Close(); cerr != nil {
		log.Warn("proxy client's hold on its connection", "err", cerr)
	}
	return err
}

// shutDown ends all channels and listeners.
func (s *proxyServer) shutDown() {
	s.mu.Lock()
	s.over = true
	channels, listeners := s.channels, s.listeners
	s.channels, s.listeners = nil, nil
	s.mu.Unlock()
	for _, c := range channels {
		c.abandon()
	}
	for l, cancel := range listeners {
		s.wg.Go(func() {
			if err := cancel(); err != nil {
				s.log.Debug("proxy forward not cancelled", "listen", l, "err", err)
			}
		})
	}
}

func (s *proxyServer) read(ctx context.Context) error {
	for {
		p, err := s.c.readPacket()
		if err != nil {
			return err
		}
		d := &decoder{b: p[1:]}
		switch p[0] {
		case sshDisconnect:
			return nil
		case sshIgnore, sshDebug, sshRequestSuccess, sshRequestFailure:
			continue // we ask nothing, so there is nothing to be answered
		case sshGlobalRequest:
			err = s.global(ctx, d)
		case sshOpen:
			err = s.open(ctx, d)
		default:
			err = s.channelMessage(p[0], d)
		}
		if err != nil {
			return err
		}
	}
}

// open is a client's request for a channel. RFC 4254 §5.1.
func (s *proxyServer) open(ctx context.Context, d *decoder) error {
	kind, id, window, maxData := d.string(), d.uint32(), d.uint32(), d.uint32()
	if d.err != nil || maxData == 0 {
		return protocolErrorf("proxy: malformed channel open")
	}
	c := s.newChannel(id, window, maxData)
	if c == nil {
		return s.c.write(openFailure(id, uint32(ssh.ResourceShortage), "too many channels"))
	}
	extra := append([]byte(nil), d.b...)
	s.wg.Go(func() {
		ch, reqs, err := s.up.OpenChannel(ctx, kind, extra)
		if err != nil {
			s.forget(c)
			_ = s.c.write(refusal(id, err))
			return
		}
		e := newProxyPacket(sshOpenConfirm).uint32(id).uint32(c.id)
		_ = s.c.write(e.uint32(proxyWindow).uint32(proxyMaxData).packet())
		go c.run(ch, reqs)
	})
	return nil
}

// refusal passes the server's own reason on.
func refusal(id uint32, err error) []byte {
	var oe *ssh.OpenChannelError
	if errors.As(err, &oe) {
		return openFailure(id, uint32(oe.Reason), printable(oe.Message))
	}
	return openFailure(id, uint32(ssh.ConnectionFailed), printable(err.Error()))
}

func openFailure(id, reason uint32, text string) []byte {
	return newProxyPacket(sshOpenFailure).uint32(id).uint32(reason).string(text).string("").packet()
}

// newChannel registers a channel, nil when there are too many. peer, window
// and maxData are the client's.
func (s *proxyServer) newChannel(peer, window, maxData uint32) *proxyChannel {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || len(s.channels) >= maxProxyChannels {
		return nil
	}
	for s.channels[s.next] != nil {
		s.next++
	}
	c := newProxyChannel(s, s.next)
	c.peer, c.sendWindow, c.maxData = peer, window, min(maxData, proxyMaxData)
	s.channels[s.next] = c
	s.next++
	return c
}

func (s *proxyServer) forget(c *proxyChannel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.channels[c.id] == c {
		delete(s.channels, c.id)
	}
}

// channelMessage handles the messages that begin with a channel's number.
func (s *proxyServer) channelMessage(kind byte, d *decoder) error {
	id := d.uint32()
	if d.err != nil {
		return protocolErrorf("proxy: malformed message %d", kind)
	}
	s.mu.Lock()
	c := s.channels[id]
	s.mu.Unlock()
	if c == nil {
		return protocolErrorf("proxy: message %d for unknown channel %d", kind, id)
	}
	err := c.message(kind, d)
	if err == nil && d.err != nil {
		err = protocolErrorf("proxy: message %d: %v", kind, d.err)
	}
	return err
}

// offer passes a channel that the server opened to the client. It does not
// block.
func (s *proxyServer) offer(nc ssh.NewChannel) {
	c := s.newChannel(0, 0, 0)
	if c == nil {
		go func() { _ = nc.Reject(ssh.ResourceShortage, "too many channels") }()
		return
	}
	c.setOffer(nc)
	s.wg.Go(func() {
		e := newProxyPacket(sshOpen).string(nc.ChannelType()).uint32(c.id)
		e.uint32(proxyWindow).uint32(proxyMaxData).raw(nc.ExtraData())
		_ = s.c.write(e.packet())
	})
}
