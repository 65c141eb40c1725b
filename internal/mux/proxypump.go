package mux

import (
	"io"
	"sync"

	"golang.org/x/crypto/ssh"
)

// run moves everything between the client and ch until both closed it. When
// the client is gone, what the server still sends is thrown away until it
// closes the channel: sshd does so only when its program has ended. Nobody
// waits for that; it is bounded by the life of the shared connection.
func (c *proxyChannel) run(ch ssh.Channel, reqs <-chan *ssh.Request) {
	c.mu.Lock()
	c.ch = ch
	dead := c.dead
	if c.gotClose {
		c.closed()
	}
	c.mu.Unlock()
	if dead {
		_ = ch.Close()
	}
	go c.writeData()
	go c.performRequests()
	var down sync.WaitGroup
	var data sync.WaitGroup
	data.Go(func() { c.pump(ch, sshData) })
	data.Go(func() { c.pump(ch.Stderr(), sshExtendedData) })
	down.Go(func() {
		data.Wait()
		c.send(newProxyPacket(sshEOF).uint32(c.peer).packet())
	})
	down.Go(func() { c.passRequests(reqs) })
	down.Wait()
	c.finish()
}

// finish sends our CLOSE, which follows the server's, and waits for the
// client's.
func (c *proxyChannel) finish() {
	c.send(newProxyPacket(sshClose).uint32(c.peer).packet())
	c.mu.Lock()
	c.sentClose = true
	c.wake.Broadcast()
	for !c.gotClose && !c.dead {
		c.wake.Wait()
	}
	if c.grace != nil {
		c.grace.Stop()
	}
	c.mu.Unlock()
	c.s.forget(c)
}

// send writes to the client, unless it is gone.
func (c *proxyChannel) send(p []byte) {
	c.mu.Lock()
	dead := c.dead
	c.mu.Unlock()
	if !dead {
		_ = c.s.c.write(p)
	}
}

// pump moves one of the server's streams to the client, as its window allows.
func (c *proxyChannel) pump(r io.Reader, kind byte) {
	head := newProxyPacket(kind).uint32(c.peer)
	if kind == sshExtendedData {
		head.uint32(1) // RFC 4254 §5.2: stderr
	}
	head.uint32(0) // length of the data
	start := len(head.b)
	buf := append(head.b, make([]byte, proxyMaxData)...)
	for {
		n, err := r.Read(buf[start:])
		if n > 0 && !c.sendData(buf, start, n) || err != nil {
			_, _ = io.Copy(io.Discard, r)
			return
		}
	}
}

// sendData sends buf[start:start+n] in as many packets as the client's window
// and packet size demand; false when the client wants no more. What was sent
// is overwritten by the next part.
func (c *proxyChannel) sendData(buf []byte, start, n int) bool {
	for sent := 0; sent < n; {
		part := c.reserve(n - sent)
		if part == 0 {
			return false
		}
		if sent > 0 {
			copy(buf[start:], buf[start+sent:start+sent+part])
		}
		putUint32(buf, 0, start+part-4)
		putUint32(buf, start-4, part)
		if c.s.c.write(buf[:start+part]) != nil {
			return false
		}
		sent += part
	}
	return true
}

// reserve takes up to n bytes of the client's window and waits while it is
// empty; 0 when the client closed the channel or is gone.
func (c *proxyChannel) reserve(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.sendWindow == 0 && !c.gotClose && !c.dead {
		c.wake.Wait()
	}
	if c.gotClose || c.dead {
		return 0
	}
	n = min(n, int(min(c.sendWindow, c.maxData)))
	c.sendWindow -= uint32(n)
	return n
}

// passRequests passes the server's requests on, less its keepalives, which are
// the shared connection's business.
func (c *proxyChannel) passRequests(reqs <-chan *ssh.Request) {
	for r := range reqs {
		ok := r.Type != "keepalive@openssh.com" && c.passRequest(r)
		_ = r.Reply(ok, nil) // does nothing when no reply is wanted
	}
}

// passRequest returns the client's reply, false when none is wanted.
func (c *proxyChannel) passRequest(r *ssh.Request) bool {
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return false
	}
	// Who closed its side still hears an exit status, as sshd's peers do, but
	// answers nothing.
	c.owed = r.WantReply && !c.gotClose
	c.mu.Unlock()
	e := newProxyPacket(sshChannelRequest).uint32(c.peer).string(r.Type)
	c.send(e.byte(boolByte(r.WantReply)).raw(r.Payload).packet())

	c.mu.Lock()
	defer c.mu.Unlock()
	for c.owed && !c.gotClose && !c.dead {
		c.wake.Wait()
	}
	return r.WantReply && !c.owed && c.reply
}

func boolByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// writeData gives the client's data and its end to the server.
func (c *proxyChannel) writeData() {
	for {
		s, ok := c.nextSegment()
		if !ok {
			return
		}
		switch s.kind {
		case sshData:
			_, _ = c.ch.Write(s.data)
		case sshExtendedData:
			_, _ = c.ch.Stderr().Write(s.data)
		case sshEOF:
			_ = c.ch.CloseWrite()
		case sshClose:
			_ = c.ch.Close()
			return
		}
		c.giveBack(uint32(len(s.data)))
	}
}

// nextSegment waits for a segment whose turn it is: after the requests that
// the client made before it. false when the client is gone.
func (c *proxyChannel) nextSegment() (segment, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.dead && (len(c.in) == 0 || c.in[0].after > c.performed) {
		c.wake.Wait()
	}
	if c.dead {
		return segment{}, false
	}
	s := c.in[0]
	c.in = c.in[1:]
	return s, true
}

// giveBack lets the client send as much again as the server took, in steps
// that are worth a message.
func (c *proxyChannel) giveBack(n uint32) {
	c.mu.Lock()
	c.credit += n
	give := c.credit
	if give < proxyWindow/4 || c.sentClose || c.gotClose {
		give = 0
	}
	c.credit -= give
	c.recvWindow += give
	c.mu.Unlock()
	if give > 0 {
		c.send(newProxyPacket(sshWindowAdjust).uint32(c.peer).uint32(give).packet())
	}
}

// performRequests makes the client's requests of the server, one by one,
// beside the data: a signal must get through to a program that reads nothing.
func (c *proxyChannel) performRequests() {
	for {
		r, ok := c.nextRequest()
		if !ok {
			return
		}
		granted := false
		if !refusedInProxy(r.name) {
			granted, _ = c.ch.SendRequest(r.name, r.wantReply, r.payload)
		}
		kind := byte(sshChannelFailure)
		if granted {
			kind = sshChannelSuccess
		}
		if r.wantReply {
			c.send(newProxyPacket(kind).uint32(c.peer).packet())
		}
		c.mu.Lock()
		c.performed++
		c.reqBytes -= r.size()
		c.wake.Broadcast()
		c.mu.Unlock()
	}
}

// refusedInProxy names the requests whose channels could not be led back to
// this client: they carry nothing that tells whose they are.
func refusedInProxy(name string) bool {
	return name == "auth-agent-req@openssh.com" || name == "x11-req"
}

// nextRequest waits for a request; false when no more can come or matter.
func (c *proxyChannel) nextRequest() (channelRequest, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.requests) == 0 && !c.dead && !c.gotClose {
		c.wake.Wait()
	}
	if c.dead || len(c.requests) == 0 {
		return channelRequest{}, false
	}
	r := c.requests[0]
	c.requests = c.requests[1:]
	return r, true
}
