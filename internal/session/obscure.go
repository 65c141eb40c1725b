package session

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
)

// ObscureKeystrokeTiming (ssh_config(5)): whoever watches the wire shall not
// learn from the times between packets what is typed. Keystrokes are held back
// until the next tick of a clock that runs while somebody types, and for a
// while after that; ticks without a keystroke send chaff of the same size.
const (
	// most is the largest write that may be typing. clientloop.c counts what
	// is smaller as interactive.
	most = 256
	// chaffLeast and chaffMore bound the time for which chaff follows the last
	// keystroke. clientloop.c: SSH_KEYSTROKE_CHAFF_MIN_MS, _RNG_MS.
	chaffLeast = 1024 * time.Millisecond
	chaffMore  = 2048 * time.Millisecond
)

// obscurer puts what is typed on the clock. Its goroutine is the only one that
// sends, so the order stays.
type obscurer struct {
	interval time.Duration
	send     func([]byte) error
	chaff    func()
	typed    chan []byte
	done     chan struct{} // closed when nothing is sent any more
	err      error         // of send; valid once done is closed
}

// newObscurer starts nothing: run does the work.
func newObscurer(interval time.Duration, send func([]byte) error, chaff func()) *obscurer {
	return &obscurer{interval: interval, send: send, chaff: chaff, typed: make(chan []byte), done: make(chan struct{})}
}

// write hands p over; it is sent now or at a tick. The error is that of an
// earlier write.
func (o *obscurer) write(p []byte) error {
	select {
	case o.typed <- append([]byte(nil), p...):
		return nil
	case <-o.done:
		if o.err == nil {
			return io.ErrClosedPipe
		}
		return o.err
	}
}

// flush sends what is held back. Nothing may be written after it.
func (o *obscurer) flush() {
	close(o.typed)
	<-o.done
}

// run sends until flush, or until send fails or ended is closed.
func (o *obscurer) run(ended <-chan struct{}) {
	defer close(o.done)
	for {
		select {
		case p, more := <-o.typed:
			if !more {
				return
			}
			if o.err = o.send(p); o.err != nil {
				return
			}
			if len(p) <= most && !o.ticking(ended) {
				return
			}
		case <-ended:
			return
		}
	}
}

// ticking runs the clock until nothing was typed for a while or much came at
// once. It is false when nothing may be sent any more.
func (o *obscurer) ticking(ended <-chan struct{}) bool {
	clock := time.NewTicker(o.interval)
	defer clock.Stop()
	var held []byte
	until := chaffUntil()
	for {
		select {
		case p, more := <-o.typed:
			held = append(held, p...)
			until = chaffUntil()
			if more && len(held) <= most {
				continue
			}
			if len(held) > 0 {
				o.err = o.send(held)
			}
			return more && o.err == nil
		case now := <-clock.C:
			switch {
			case len(held) > 0:
				if o.err = o.send(held); o.err != nil {
					return false
				}
				held = held[:0]
			case now.After(until):
				return true
			default:
				o.chaff()
			}
		case <-ended:
			return false
		}
	}
}

// obscures reports whether keystrokes are put on the clock.
func (s *Session) obscures() bool {
	return s.req.KeystrokeInterval > 0 && (s.req.KeystrokeAlways || answersChaff(s.version))
}

// answersChaff reports whether a server is one with which ssh(1) obscures
// keystrokes by itself: OpenSSH from 9.5 on.
func answersChaff(version []byte) bool {
	_, release, found := strings.Cut(string(version), "OpenSSH_")
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); !found || err != nil {
		return false
	}
	return major > 9 || major == 9 && minor >= 5
}

func chaffUntil() time.Time {
	return time.Now().Add(chaffLeast + rand.N(chaffMore))
}

// sendChaff sends a channel request that no server knows. Its name is empty,
// which makes the packet as long as that of one typed byte, and the refusal as
// long as its echo. Only one can be waited for at a time; meanwhile they are
// sent without asking for an answer.
//
// Differs from OpenSSH, which sends SSH2_MSG_PING: the transport cannot.
func (s *Session) sendChaff(waiting *atomic.Bool) {
	if !waiting.CompareAndSwap(false, true) {
		s.ch.SendRequest("", false, nil)
		return
	}
	s.work(func() {
		s.ch.SendRequest("", true, nil)
		waiting.Store(false)
	})
}
