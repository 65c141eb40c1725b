package probe

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/internal/hop"
	"sallyport/internal/hostkey"
	"sallyport/internal/sshconfig"
)

// watch turns the events of one dial into steps and findings.
type watch struct {
	*test
	options sshconfig.Options

	// state: guarded by mu
	mu    sync.Mutex
	found *Hop
	stage hop.Stage     // under way
	since time.Duration // it began, by the clock
	tries map[string]time.Duration
	ended bool // the dial has: what comes late does not count
}

// event is the dial's hop.Trace.
func (w *watch) event(e hop.Event) {
	now := w.clock.at(e.At)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	switch e.What {
	case hop.Resolving:
		w.begin(hop.StageResolve, now)
	case hop.Resolved:
		w.resolved(e, now)
	case hop.Connecting, hop.Opening:
		w.connecting(e, now)
	case hop.Connected, hop.Opened:
		w.connected(e, now)
	case hop.Commanding:
		w.begin(hop.StageBanner, now)
	case hop.Identified:
		w.found.Server = e.Version
		w.begin(hop.StageKeyExchange, now)
	case hop.KeyChecked:
		w.hostKey(e.HostKey)
		w.begin(hop.StageHostKey, now)
	case hop.KeyAccepted:
		w.begin(hop.StageAuthenticate, now)
	case hop.Exchanged:
		w.found.Server = e.Version
		a := Algorithms(*e.Algorithms)
		w.found.Algorithms = &a
	default:
		w.login(e, now)
	}
}

// stages of a dial, in their order.
var stages = []hop.Stage{hop.StageResolve, hop.StageConnect, hop.StageOpen, hop.StageBanner, hop.StageKeyExchange, hop.StageHostKey, hop.StageAuthenticate}

// begin ends the stage under way and begins another one, "" for none. It went
// well unless it has to be gone back: another address is tried.
func (w *watch) begin(stage hop.Stage, now time.Duration) {
	w.end(stage == "" || slices.Index(stages, stage) > slices.Index(stages, w.stage), now)
	w.stage, w.since = stage, now
	if w.Began != nil && stage != "" {
		w.Began(w.found, string(stage))
	}
}

func (w *watch) end(ok bool, now time.Duration) {
	if w.stage == "" {
		return
	}
	w.step(Step{Stage: string(w.stage), OK: ok, Seconds: (now - w.since).Seconds()})
	w.stage = ""
}

// step keeps a step and tells of it.
func (w *watch) step(s Step) {
	w.found.Steps = append(w.found.Steps, s)
	if w.Ended != nil {
		w.Ended(w.found, s)
	}
}

func (w *watch) resolved(e hop.Event, now time.Duration) {
	if e.Err != nil {
		return // the dial's end tells
	}
	for _, a := range e.Addrs {
		known := func(k Address) bool { return k.Addr == a.String() || hostOf(k.Addr) == a.String() }
		if !slices.ContainsFunc(w.found.Addresses, known) { // as of an attempt before (ConnectionAttempts)
			w.found.Addresses = append(w.found.Addresses, Address{Addr: a.String()})
		}
	}
	w.end(true, now)
}

// connecting notes the way to an address, by TCP or through the hop before.
func (w *watch) connecting(e hop.Event, now time.Duration) {
	stage := hop.StageConnect
	if e.What == hop.Opening {
		stage = hop.StageOpen
	}
	if w.stage != stage {
		w.begin(stage, now)
	}
	if w.tries == nil {
		w.tries = make(map[string]time.Duration)
	}
	w.tries[e.Addr] = now
	if e.What == hop.Connecting {
		w.address(e.Addr) // has its port from now on, which may be its own
	}
}

func (w *watch) connected(e hop.Event, now time.Duration) {
	if errors.Is(e.Err, context.Canceled) {
		return // another address was faster: it is tested later
	}
	a := w.address(e.Addr)
	a.Seconds = (now - w.tries[e.Addr]).Seconds()
	if a.OK = e.Err == nil; !a.OK {
		a.Error = e.Err.Error()
		return
	}
	if w.stage == hop.StageConnect || w.stage == hop.StageOpen {
		for i := range w.found.Addresses {
			w.found.Addresses[i].Used = false // it was given up
		}
		a.Used = true
		w.begin(hop.StageBanner, now)
	}
}

// address finds the entry of "host:port", whose name resolution knew no port.
func (w *watch) address(addr string) *Address {
	i := w.index(addr)
	if i < 0 {
		i = w.index(hostOf(addr))
	}
	if i < 0 {
		w.found.Addresses = append(w.found.Addresses, Address{})
		i = len(w.found.Addresses) - 1
	}
	w.found.Addresses[i].Addr = addr
	return &w.found.Addresses[i]
}

func (w *watch) index(addr string) int {
	return slices.IndexFunc(w.found.Addresses, func(a Address) bool { return a.Addr == addr })
}

func hostOf(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i >= 0 {
		return strings.Trim(addr[:i], "[]")
	}
	return addr
}

func (w *watch) hostKey(k *hop.CheckedKey) {
	found := &HostKey{Name: k.Name, Status: k.Status.String(), Type: k.Type, Fingerprint: k.Fingerprint, CA: k.CA}
	for _, l := range k.Known {
		found.Known = append(found.Known, Place{l.File, l.Number})
	}
	if files := w.options.HostKey.UserFiles; k.Status == hostkey.Unknown {
		found.Status, found.Record = "new", k.Name+" "+k.Line
		if len(files) > 0 {
			found.File = files[0]
		}
	}
	w.found.HostKey = found
}

// login notes the steps of the authentication.
func (w *watch) login(e hop.Event, now time.Duration) {
	if w.found.Auth == nil {
		w.found.Auth = &Auth{Offered: slices.Clone(e.Methods), Tried: []Attempt{}, Keys: []string{}, Agent: w.options.Auth.Agent}
	}
	a := w.found.Auth
	switch e.What {
	case hop.Gathered:
		a.Keys, a.AgentKeys, a.Notes = append(a.Keys, e.Keys...), e.AgentKeys, e.Notes
	case hop.Trying:
		a.Tried = append(a.Tried, Attempt{e.Method, e.Key})
	case hop.Authenticated:
		a.Worked = append(slices.Clone(e.Done), e.Method)
		w.end(true, now)
	}
}

// finish notes how the dial ended; err is nil when it is done.
func (w *watch) finish(err error) {
	now := w.clock.at(time.Now())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	var e *hop.Error
	if errors.As(err, &e) {
		if w.stage == "" { // refused before anything was tried
			w.since = now
		}
		w.stage = e.Stage
	}
	w.end(err == nil, now)
}
