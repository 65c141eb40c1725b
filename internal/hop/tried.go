package hop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Attempt is one way that did not lead there.
type Attempt struct {
	Way     string        // an address, or "via jump2"
	Started time.Duration // after the first one
	Took    time.Duration
	Err     error // an *Error
}

// WaysError says that several ways were tried. Its text lists them; what
// errors.Is and errors.As see is the one that came furthest, or the one that
// ended it.
type WaysError struct {
	Tried []Attempt // in the order in which they were begun
	Last  error     // the cause that stands for all
	Final bool      // Last is why no more were tried

	of *Error // that Last is the cause of
}

func (e *WaysError) Unwrap() error { return e.Last }

// Error has a line for each way.
func (e *WaysError) Error() string {
	var b strings.Builder
	if e.Final {
		fmt.Fprintf(&b, "%v", e.Last)
		b.WriteString("\ntried before:")
	} else {
		fmt.Fprintf(&b, "none of %d ways leads there", len(e.Tried))
	}
	for _, a := range e.Tried {
		fmt.Fprintf(&b, "\n  %s (%s): %s", a.Way, roundly(a.Took), strings.ReplaceAll(reasonOf(a.Err), "\n", "\n  "))
	}
	return b.String()
}

// roundly is a duration with two or three digits.
func roundly(d time.Duration) time.Duration {
	if d >= time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// reasonOf leaves out what the way's name says.
func reasonOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.At != "" {
		return fmt.Sprintf("%s: %v", e.Stage, e.Err)
	}
	return err.Error()
}

// attemptsOf lists what was tried in vain: the error itself, or what it is
// made of.
func attemptsOf(err error) []Attempt {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	if several, ok := e.Err.(*WaysError); ok && !several.Final {
		return several.Tried
	}
	return []Attempt{{Way: e.At, Err: e}}
}

// noneOf makes one error of those of several addresses.
func (d *dial) noneOf(ctx context.Context, tried []Attempt, final bool) error {
	var flat []Attempt
	for _, a := range tried {
		if of := attemptsOf(a.Err); len(of) > 1 { // the addresses of one name
			for _, x := range of {
				x.Started += a.Started
				flat = append(flat, x)
			}
			continue
		} else if len(of) == 1 && of[0].Way != "" {
			a.Way = of[0].Way
		}
		flat = append(flat, a)
	}
	if len(flat) == 0 {
		return d.fail(StageConnect, context.Cause(ctx))
	}
	return Several(Error{Hop: d.Hop.Name, Addr: d.Hop.Addr(), Via: d.ViaName}, flat, final)
}

// Several makes one error of those of several ways to a hop, which e names.
// With final the last one has ended it all.
func Several(e Error, tried []Attempt, final bool) error {
	last := tried[len(tried)-1]
	if len(tried) == 1 {
		return last.Err
	}
	if final {
		tried = tried[:len(tried)-1]
	} else {
		for _, a := range tried {
			if further(a.Err, last.Err) {
				last = a
			}
		}
	}
	tried = slices.Clone(tried)
	slices.SortStableFunc(tried, func(a, b Attempt) int { return int(a.Started - b.Started) })
	cause := last.Err
	var of *Error
	if errors.As(last.Err, &of) {
		e.Stage, cause = of.Stage, of.Err
		if final {
			e.Hop, e.Addr, e.At, e.Via = of.Hop, of.Addr, of.At, of.Via
		}
	}
	e.Err = &WaysError{Tried: tried, Last: cause, Final: final, of: of}
	return &e
}

// Blame is the failure that err's cause and stage are of, where several ways
// were tried: it may be another hop's, or another address. It is nil when err
// is no *Error.
func Blame(err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	for {
		several, ok := e.Err.(*WaysError)
		if !ok || several.of == nil {
			return e
		}
		e = several.of
	}
}

// stages are all, in their order.
var stages = []Stage{StageResolve, StageConnect, StageOpen, StageBanner, StageKeyExchange, StageHostKey, StageAuthenticate, StageAlive}

// further reports whether a's stage comes after b's.
func further(a, b error) bool {
	rank := func(err error) int {
		var e *Error
		if !errors.As(err, &e) {
			return -1
		}
		return slices.Index(stages, e.Stage)
	}
	return rank(a) > rank(b)
}
