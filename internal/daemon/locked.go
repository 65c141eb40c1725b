package daemon

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"sallyport/internal/api"
)

// errLocked refuses what is new while the daemon is locked.
var errLocked = errors.New("sally is locked; \"sally unlock\" ends that")

// padlock keeps the connections from being used for anything new: no dial, and
// no channel that somebody here opens or that a server opens for a forward.
// What runs goes on. A passphrase is kept as what argon2id makes of it, in
// memory.
type padlock struct {
	attempts chan struct{} // one at a time

	// state: guarded by mu
	mu       sync.Mutex
	since    time.Time // zero while unlocked
	salt     []byte
	digest   []byte // nil without a passphrase
	failures int
}

// Costs of a passphrase: RFC 9106 §4 recommends these where memory is scarce,
// with 64 MiB; a daemon that must stay small takes half.
const (
	argonTime    = 3
	argonMemory  = 32 << 10 // KiB
	argonThreads = 4
	argonLength  = 32
)

// Bounds of passphrases and of guessing them.
const (
	maxPassphrase    = 1024
	guessPause       = time.Second // after a wrong answer; doubled by each further one
	longestPause     = 30 * time.Second
	pausesUntilWorst = 5
)

func newPadlock() *padlock { return &padlock{attempts: make(chan struct{}, 1)} }

// check is errLocked while it is locked.
func (p *padlock) check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		return nil
	}
	return errLocked
}

// status describes it, nil while unlocked.
func (p *padlock) status() *api.Locked {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		return nil
	}
	return &api.Locked{Since: p.since, Passphrase: p.digest != nil}
}

// set locks. A passphrase that is set already stays.
func (p *padlock) set(passphrase string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.digest != nil {
		return errors.New("locked already, with a passphrase")
	}
	if p.since.IsZero() {
		p.since = time.Now()
	}
	if passphrase != "" {
		p.salt = make([]byte, 16)
		_, _ = rand.Read(p.salt) // never fails
		p.digest = p.derive(passphrase)
		p.failures = 0
	}
	return nil
}

func (p *padlock) derive(passphrase string) []byte {
	return argon2.IDKey([]byte(passphrase), p.salt, argonTime, argonMemory, argonThreads, argonLength)
}

// errWrongPassphrase leaves it locked.
var errWrongPassphrase = errors.New("that is not the passphrase it was locked with")

// unset unlocks; ask is called when there is a passphrase. Attempts come one at
// a time, and each waits for the pause that the failures before it earned.
func (p *padlock) unset(ctx context.Context, ask func() (string, error)) error {
	select {
	case p.attempts <- struct{}{}:
		defer func() { <-p.attempts }()
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	secret, failures := p.digest != nil, p.failures
	p.mu.Unlock()
	if secret {
		if failures > 0 && !pause(ctx, min(guessPause<<min(failures-1, pausesUntilWorst), longestPause)) {
			return ctx.Err()
		}
		answer, err := ask()
		if err != nil {
			return err
		}
		if len(answer) > maxPassphrase || subtle.ConstantTimeCompare(p.derive(answer), p.digest) != 1 {
			p.mu.Lock()
			p.failures++
			p.mu.Unlock()
			return errWrongPassphrase
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since, p.salt, p.digest, p.failures = time.Time{}, nil, nil, 0
	return nil
}

// pause waits; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Lock is api.Handler's.
func (c client) Lock(ctx context.Context, r *api.Request, ask *api.Asker) (*api.Result, error) {
	passphrase := ""
	if r.Passphrase {
		var err error
		if passphrase, err = newPassphrase(ctx, ask); err != nil {
			return nil, err
		}
	}
	if err := c.padlock.set(passphrase); err != nil {
		return nil, err
	}
	c.log.Info("locked", "pid", c.peer.PID)
	return &api.Result{}, nil
}

// newPassphrase asks for one, twice.
func newPassphrase(ctx context.Context, ask *api.Asker) (string, error) {
	first, err := ask.Ask(ctx, api.Question{Kind: "passphrase", Text: "Passphrase to unlock with: "})
	if err != nil {
		return "", err
	}
	if first == "" || len(first) > maxPassphrase {
		return "", errors.New("not locked: a passphrase has 1 to 1024 bytes")
	}
	again, err := ask.Ask(ctx, api.Question{Kind: "passphrase", Text: "The same again: "})
	if err == nil && again != first {
		err = errors.New("not locked: the two are not the same")
	}
	return first, err
}

// Unlock is api.Handler's.
func (c client) Unlock(ctx context.Context, _ *api.Request, ask *api.Asker) (*api.Result, error) {
	err := c.padlock.unset(ctx, func() (string, error) {
		return ask.Ask(ctx, api.Question{Kind: "passphrase", Text: "Passphrase: "})
	})
	if err != nil {
		if errors.Is(err, errWrongPassphrase) {
			c.log.Warn("not unlocked", "pid", c.peer.PID, "err", err)
		}
		return nil, err
	}
	c.log.Info("unlocked", "pid", c.peer.PID)
	c.pool.WakeKeepers()
	return &api.Result{}, nil
}
