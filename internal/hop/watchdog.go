package hop

import (
	"context"
	"sync"
	"time"
)

// watchdog bounds the stages of one dial. x/crypto/ssh neither bounds a
// handshake nor lets a context end it; closing the connection does both. Time
// that a person takes to answer does not count: pause and resume bracket it.
type watchdog struct {
	expire func() // closes the connection

	// state: guarded by mu
	mu      sync.Mutex
	timer   *time.Timer
	left    time.Duration
	spent   time.Duration // on the server since the stage was entered
	since   time.Time
	paused  int
	limit   time.Duration
	stage   Stage
	asked   bool // a person was
	expired bool
	stopped bool
}

func newWatchdog(expire func()) *watchdog { return &watchdog{expire: expire} }

// enter begins a stage with its own bound; a bound of 0 is none.
func (w *watchdog) enter(stage Stage, limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stage, w.limit, w.left, w.spent = stage, limit, limit, 0
	w.arm()
}

// name changes the stage but goes on with the bound of the one before.
func (w *watchdog) name(stage Stage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stage = stage
}

// heard notes that the peer sent something: the identification is no longer
// waited for, and an authentication has its whole bound again, unless the
// server has used up maxRenewals of them.
func (w *watchdog) heard() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch w.stage {
	case StageBanner:
		w.stage = StageKeyExchange
	case StageAuthenticate:
		w.spend()
		w.left = max(min(w.limit, maxRenewals*w.limit-w.spent), time.Millisecond)
		w.arm()
	}
}

// spend adds the time since the timer was started. The caller holds mu.
func (w *watchdog) spend() {
	if w.paused == 0 && !w.since.IsZero() {
		w.spent += time.Since(w.since)
		w.since = time.Now()
	}
}

// arm starts the timer for what is left. The caller holds mu.
func (w *watchdog) arm() {
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.stopped || w.expired || w.paused > 0 || w.limit == 0 {
		return
	}
	w.since = time.Now()
	stage, limit := w.stage, w.limit
	w.timer = time.AfterFunc(w.left, func() { w.fire(stage, limit) })
}

func (w *watchdog) fire(stage Stage, limit time.Duration) {
	w.mu.Lock()
	if w.stopped || w.expired || w.paused > 0 || w.limit != limit || time.Since(w.since) < w.left {
		w.mu.Unlock()
		return
	}
	w.expired = true
	w.mu.Unlock()
	w.expire()
}

func (w *watchdog) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.paused == 0 && w.timer != nil && w.timer.Stop() {
		w.left = max(w.left-time.Since(w.since), time.Millisecond)
		w.spend()
	}
	w.paused++
}

// asks notes that a person is asked.
func (w *watchdog) asks() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = true
}

func (w *watchdog) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.paused--; w.paused == 0 {
		w.arm()
	}
}

// stop ends the watch. It returns the stage that was under way and, if its
// bound was exceeded, a TimeoutError.
func (w *watchdog) stop() (Stage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.expired {
		return w.stage, &TimeoutError{After: roundly(w.limit).String(), Doing: silence[w.stage], asked: w.asked}
	}
	return w.stage, nil
}

// silence words what was waited for in each stage.
var silence = map[Stage]string{
	StageResolve:      "no answer from the resolver",
	StageConnect:      "no answer to the TCP connection",
	StageOpen:         "no answer to the channel request",
	StageBanner:       "connected, but the server said nothing",
	StageKeyExchange:  "no answer in the key exchange",
	StageHostKey:      "the host key's check did not end",
	StageAuthenticate: "no answer to authentication",
	StageAlive:        "no answer to keepalive",
}

// watchedAsker stops the clock while a person thinks.
type watchedAsker struct {
	Asker
	dog *watchdog
}

func (a watchedAsker) Ask(ctx context.Context, q Question) (string, error) {
	a.dog.pause()
	defer a.dog.resume()
	a.dog.asks()
	return a.Asker.Ask(ctx, q)
}
