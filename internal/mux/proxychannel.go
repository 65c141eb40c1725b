package mux

import (
	"encoding/binary"
	"io"
	"math"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// proxyWindow is how much of a client's data we hold for one channel while
	// the server does not take it. The way is short, so little is enough.
	proxyWindow = 256 << 10
	// proxyMaxData is the most data in one packet, both ways. RFC 4253 §6.1.
	proxyMaxData = 32 << 10
	// maxRequestBytes bounds the requests of one channel that the server has
	// not taken yet.
	maxRequestBytes = 256 << 10
	// closeGrace is how long a client's last data may wait for a server that
	// does not take it, once the client closed the channel.
	closeGrace = 10 * time.Second
)

// A proxyChannel joins a channel of a proxy client with one of the shared
// connection.
//
//	offered --confirmed or refused by the client--> running or gone
//	running --CLOSE sent and received--> gone
type proxyChannel struct {
	// config: not changed after newProxyChannel
	s  *proxyServer
	id uint32 // ours; the client addresses us with it

	// state: guarded by mu; wake is signalled at every change
	mu         sync.Mutex
	wake       sync.Cond
	offered    ssh.NewChannel // by the server, waiting for the client's word
	ch         ssh.Channel    // nil while opening
	peer       uint32         // the client's number
	maxData    uint32         // the client's
	sendWindow uint32         // what we may send to the client
	recvWindow uint32         // what the client may send to us
	credit     uint32         // what was taken of recvWindow and not yet given back
	in         []segment      // from the client, for the server
	requests   []channelRequest
	reqBytes   int
	asked      uint64      // requests queued since the start
	performed  uint64      // requests performed since the start
	owed       bool        // the client owes a reply to the server's request
	reply      bool        // its reply
	grace      *time.Timer // ends a close that cannot get through
	gotEOF     bool
	gotClose   bool
	sentClose  bool
	dead       bool // the client is gone: nothing can be sent to it
}

// A segment is data or an end, in the order in which the client sent it.
type segment struct {
	kind  byte   // sshData, sshExtendedData, sshEOF or sshClose
	after uint64 // how many requests came before it
	data  []byte
}

type channelRequest struct {
	name      string
	wantReply bool
	payload   []byte
}

func newProxyChannel(s *proxyServer, id uint32) *proxyChannel {
	c := &proxyChannel{s: s, id: id, recvWindow: proxyWindow}
	c.wake.L = &c.mu
	return c
}

func (c *proxyChannel) setOffer(nc ssh.NewChannel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offered = nc
}

// message takes what the client says about the channel. It never waits.
func (c *proxyChannel) message(kind byte, d *decoder) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.wake.Broadcast()
	if (kind == sshOpenConfirm || kind == sshOpenFailure) != (c.offered != nil) || c.gotClose {
		return protocolErrorf("proxy: message %d out of turn", kind)
	}
	switch kind {
	case sshOpenConfirm:
		return c.confirmed(d)
	case sshOpenFailure:
		c.declined(d)
	case sshWindowAdjust:
		return c.adjust(d.uint32())
	case sshData, sshExtendedData:
		return c.data(kind, d)
	case sshEOF:
		c.gotEOF = true
		c.in = append(c.in, segment{kind: kind, after: c.asked})
	case sshClose:
		c.gotClose = true
		c.in = append(c.in, segment{kind: kind, after: c.asked})
		c.closed()
	case sshChannelRequest:
		return c.request(d)
	case sshChannelSuccess, sshChannelFailure:
		return c.answered(kind == sshChannelSuccess)
	default:
		return protocolErrorf("proxy: message %d is not known", kind)
	}
	return nil
}

// confirmed: the client takes a channel that the server opened.
func (c *proxyChannel) confirmed(d *decoder) error {
	c.peer, c.sendWindow, c.maxData = d.uint32(), d.uint32(), min(d.uint32(), proxyMaxData)
	if d.err != nil || c.maxData == 0 {
		return protocolErrorf("proxy: malformed channel confirmation")
	}
	nc := c.offered
	c.offered = nil
	go func() {
		ch, reqs, err := nc.Accept()
		if err != nil {
			c.refuseAccepted()
			return
		}
		c.run(ch, reqs)
	}()
	return nil
}

// refuseAccepted closes, towards the client, a channel that it took and that
// the server has no more.
func (c *proxyChannel) refuseAccepted() {
	reqs := make(chan *ssh.Request)
	close(reqs)
	c.run(goneChannel{}, reqs)
}

func (c *proxyChannel) declined(d *decoder) {
	reason, text := ssh.RejectionReason(d.uint32()), d.string()
	nc := c.offered
	c.offered = nil
	go func() { _ = nc.Reject(reason, text) }()
	c.s.forget(c)
}

func (c *proxyChannel) adjust(n uint32) error {
	if n > math.MaxUint32-c.sendWindow {
		return protocolErrorf("proxy: window of channel %d overflows", c.id)
	}
	c.sendWindow += n
	return nil
}

func (c *proxyChannel) data(kind byte, d *decoder) error {
	if kind == sshExtendedData && d.uint32() != 1 {
		return protocolErrorf("proxy: extended data of an unknown kind")
	}
	b := d.bytes()
	switch {
	case d.err != nil:
		return nil // reported by the caller
	case c.gotEOF:
		return protocolErrorf("proxy: data after the end on channel %d", c.id)
	case uint32(len(b)) > c.recvWindow:
		return protocolErrorf("proxy: data beyond the window of channel %d", c.id)
	}
	c.recvWindow -= uint32(len(b))
	// Copied into one piece with what waits: many small packets stay small.
	if n := len(c.in) - 1; n >= 0 && c.in[n].kind == kind && c.in[n].after == c.asked {
		c.in[n].data = append(c.in[n].data, b...)
		return nil
	}
	c.in = append(c.in, segment{kind, c.asked, append([]byte(nil), b...)})
	return nil
}

func (c *proxyChannel) request(d *decoder) error {
	r := channelRequest{name: d.string(), wantReply: d.byte() != 0}
	if d.err != nil {
		return nil
	}
	r.payload = append([]byte(nil), d.b...)
	c.reqBytes += r.size()
	if c.reqBytes > maxRequestBytes {
		return protocolErrorf("proxy: too many requests wait on channel %d", c.id)
	}
	c.asked++
	c.requests = append(c.requests, r)
	return nil
}

// size is what a waiting request costs.
func (r channelRequest) size() int { return 128 + len(r.name) + len(r.payload) }

// answered takes the client's reply to the server's request.
func (c *proxyChannel) answered(ok bool) error {
	if !c.owed {
		return protocolErrorf("proxy: reply to nothing on channel %d", c.id)
	}
	c.owed, c.reply = false, ok
	return nil
}

// closed sees to it that a client's CLOSE gets through in the end, even when
// the server takes no data.
func (c *proxyChannel) closed() {
	if ch := c.ch; ch != nil {
		c.grace = time.AfterFunc(closeGrace, func() { _ = ch.Close() })
	}
}

// abandon ends the channel because its client is gone.
func (c *proxyChannel) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = true
	c.wake.Broadcast()
	ch, nc := c.ch, c.offered
	c.offered = nil
	go func() {
		switch {
		case nc != nil:
			_ = nc.Reject(ssh.ConnectionFailed, "client is gone")
		case ch != nil:
			_ = ch.Close()
		}
	}()
}

// goneChannel stands in for a channel that the server has closed.
type goneChannel struct{}

func (goneChannel) Read([]byte) (int, error)                       { return 0, io.EOF }
func (goneChannel) Write([]byte) (int, error)                      { return 0, io.EOF }
func (goneChannel) Close() error                                   { return nil }
func (goneChannel) CloseWrite() error                              { return nil }
func (goneChannel) Stderr() io.ReadWriter                          { return goneChannel{} }
func (goneChannel) SendRequest(string, bool, []byte) (bool, error) { return false, io.EOF }

// putUint32 writes v at b[i:].
func putUint32(b []byte, i, v int) { binary.BigEndian.PutUint32(b[i:], uint32(v)) }
