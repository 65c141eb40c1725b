package mux

import (
	"context"

	"golang.org/x/crypto/ssh"
)

// global queues a global request. RFC 4254 §4.
func (s *proxyServer) global(ctx context.Context, d *decoder) error {
	r := globalRequest{name: d.string(), wantReply: d.byte() != 0}
	if d.err != nil {
		return protocolErrorf("proxy: malformed global request")
	}
	r.payload = append([]byte(nil), d.b...)
	select {
	case s.globals <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// serveGlobals performs global requests one after the other.
func (s *proxyServer) serveGlobals(ctx context.Context) {
	for r := range s.globals {
		ok, answer := s.performGlobal(ctx, r)
		if r.wantReply {
			_ = s.c.write(globalReply(ok, answer))
		}
	}
}

// globalReply is never shorter than stock clients take, which die of a packet
// of less than 5 bytes (packet.c: ssh_packet_read_poll2_mux; OpenSSH's masters
// send proxy clients no global replies). What follows a reply is nothing to
// whoever expects nothing there.
func globalReply(ok bool, answer []byte) []byte {
	kind := byte(sshRequestFailure)
	if ok {
		kind = sshRequestSuccess
	}
	if len(answer) == 0 {
		answer = make([]byte, 3)
	}
	return newProxyPacket(kind).raw(answer).packet()
}

// performGlobal does what concerns this client alone. Everything else would
// change the connection for all who share it, no-more-sessions above all, and
// is refused; so is a keepalive, whose sender takes any answer for a sign of
// life, and gets this one from sshd too.
func (s *proxyServer) performGlobal(ctx context.Context, r globalRequest) (ok bool, answer []byte) {
	switch r.name {
	case "tcpip-forward":
		if l, ok := tcpListen(r.payload); ok {
			return s.listen(ctx, l)
		}
	case "cancel-tcpip-forward":
		l, ok := tcpListen(r.payload)
		return ok && s.cancelListen(l), nil
	case "streamlocal-forward@openssh.com":
		if l, ok := pathListen(r.payload); ok {
			return s.listen(ctx, l)
		}
	case "cancel-streamlocal-forward@openssh.com":
		l, ok := pathListen(r.payload)
		return ok && s.cancelListen(l), nil
	}
	return false, nil
}

// tcpListen reads what follows tcpip-forward. RFC 4254 §7.1.
func tcpListen(payload []byte) (l RemoteListen, ok bool) {
	d := &decoder{b: payload}
	l.Host, l.Port = d.string(), d.uint32()
	return l, d.err == nil && l.Port <= 65535
}

// pathListen reads what follows streamlocal-forward. OpenSSH PROTOCOL §2.4.
func pathListen(payload []byte) (l RemoteListen, ok bool) {
	d := &decoder{b: payload}
	l.Path = d.string()
	return l, d.err == nil && l.Path != ""
}

func (s *proxyServer) listen(ctx context.Context, l RemoteListen) (ok bool, answer []byte) {
	s.mu.Lock()
	taken := s.listeners[l] != nil
	s.mu.Unlock()
	if taken {
		return false, nil
	}
	port, cancel, err := s.up.Listen(ctx, l, func(nc ssh.NewChannel) { s.offer(nc) })
	if err != nil {
		s.log.Debug("proxy forward refused", "listen", l, "err", err)
		return false, nil
	}
	if l.Path == "" && l.Port == 0 {
		l.Port = port
		answer = new(encoder).uint32(port).b
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		s.wg.Go(func() { _ = cancel() })
		return false, nil
	}
	s.listeners[l] = cancel
	return true, answer
}

func (s *proxyServer) cancelListen(l RemoteListen) bool {
	s.mu.Lock()
	cancel := s.listeners[l]
	delete(s.listeners, l)
	s.mu.Unlock()
	return cancel != nil && cancel() == nil
}
