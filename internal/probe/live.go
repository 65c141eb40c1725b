package probe

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hop"
	"sallyport/internal/route"
)

const (
	// reachTimeout bounds the test of an address that was not needed.
	reachTimeout = 3 * time.Second
	// sessionTimeout and pingTimeout bound what is tried on the connection.
	sessionTimeout = 15 * time.Second
	pingTimeout    = 5 * time.Second
	// pings is how many round trips are made; the fastest counts.
	pings = 3
)

// otherAddresses tests the addresses that the dial did not come to, or gave
// up when another one was faster.
func (t *test) otherAddresses(ctx context.Context, h route.Hop, found *Hop) {
	if found.Via != "" || found.Proxy != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	var tasks sync.WaitGroup
	for i := range found.Addresses {
		a := &found.Addresses[i]
		if a.OK || a.Error != "" {
			continue
		}
		a.Addr = withPort(a.Addr, h)
		tasks.Go(func() {
			start := time.Now()
			err := hop.Reach(ctx, a.Addr, h.Options.Connect)
			a.OK, a.Seconds = err == nil, time.Since(start).Seconds()
			if err != nil {
				a.Error = plain(ctx, err)
			}
		})
	}
	tasks.Wait()
}

// session opens a session on the target, and closes it again without asking
// for anything in it.
func (t *test) session(ctx context.Context, conn *hop.Conn, found *Hop) bool {
	err := t.timed(found, StageSession, func() error {
		ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
		defer cancel()
		done := make(chan error, 1)
		go func() {
			ch, requests, err := conn.OpenChannel("session", nil)
			if err == nil {
				go ssh.DiscardRequests(requests)
				err = ch.Close()
			}
			done <- err
		}()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			conn.Close() // ends the open
			<-done
			return &hop.TimeoutError{After: sessionTimeout.String(), Doing: "no answer to the channel request"}
		}
	})
	if err == nil {
		return true
	}
	found.Failure = &Failure{Stage: StageSession, Cause: hop.CauseLost, Message: err.Error()}
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(err, &refused):
		found.Failure.Cause = hop.CauseSessions
		found.Failure.Message = (&hop.OpenRefused{Reason: refused.Reason, Text: hop.Clean(refused.Message)}).Error()
	case errors.Is(err, hop.ErrTimeout):
		found.Failure.Cause = hop.CauseFellQuiet
	}
	return false
}

// ping measures the round trip to a hop.
func (t *test) ping(ctx context.Context, conn *hop.Conn, found *Hop) bool {
	err := t.timed(found, StagePing, func() error {
		ctx, cancel := context.WithTimeout(ctx, pingTimeout)
		defer cancel()
		for range pings {
			took, err := conn.Ping(ctx)
			if err != nil {
				return err
			}
			if s := took.Seconds(); found.RTT == 0 || s < found.RTT {
				found.RTT = s
			}
		}
		return nil
	})
	if err == nil {
		return true
	}
	found.Failure = &Failure{Stage: StagePing, Cause: hop.CauseLost, Message: err.Error()}
	if errors.Is(err, context.DeadlineExceeded) {
		found.Failure.Cause, found.Failure.Message = hop.CauseFellQuiet, "no answer to a keepalive for "+pingTimeout.String()
	}
	return false
}

// timed runs a step on a connection.
func (t *test) timed(found *Hop, stage string, f func() error) error {
	if t.Began != nil {
		t.Began(found, stage)
	}
	start := time.Now()
	err := f()
	s := Step{Stage: stage, OK: err == nil, Seconds: time.Since(start).Seconds()}
	if stage == StagePing && err == nil {
		s.Seconds = found.RTT // the first one may wait for an acknowledgement
	}
	found.Steps = append(found.Steps, s)
	if t.Ended != nil {
		t.Ended(found, s)
	}
	return err
}

// withPort completes an address that no dial came to.
func withPort(addr string, h route.Hop) string {
	if ip, err := netip.ParseAddr(addr); err == nil {
		return netip.AddrPortFrom(ip, uint16(h.Options.Port)).String()
	}
	return addr
}

// plain words the end of a dial by its bound.
func plain(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return "no answer to the TCP connection for " + reachTimeout.String()
	}
	return err.Error()
}
