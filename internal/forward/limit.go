package forward

import (
	"fmt"
)

// Limit bounds the connections that several forwards carry at a time, each of
// them and all together: every one costs a descriptor, and up to a channel's
// window of memory (2 MiB) while its receiver stands still. A listener here
// that is full takes no more: the system lets some wait, then all. A server
// that sends more than fits is refused.
type Limit struct {
	each int
	all  chan struct{}
}

// maxEach is what one forward carries at a time, however many descriptors there
// are.
const maxEach = 1024

// NewLimit is a limit for all together, of which one forward gets half at most.
func NewLimit(all int) *Limit {
	return &Limit{each: max(min(maxEach, all/2), 1), all: make(chan struct{}, max(all, 1))}
}

// SystemLimit leaves half of the process's descriptors to everything else.
func SystemLimit() *Limit {
	return NewLimit(descriptors() / 2)
}

// seats are one forward's part of a limit.
type seats struct {
	limit *Limit
	own   chan struct{}
}

func (l *Limit) seats() seats { return seats{limit: l, own: make(chan struct{}, l.each)} }

// take waits for a seat until stop is closed; full is called if there is a wait.
func (s seats) take(stop <-chan struct{}, full func(error)) bool {
	return s.wait(s.own, stop, full) && (s.wait(s.limit.all, stop, full) || s.back(s.own))
}

func (s seats) wait(in chan struct{}, stop <-chan struct{}, full func(error)) bool {
	select {
	case in <- struct{}{}:
		return true
	default:
	}
	full(fmt.Errorf("%d connections at a time are the most: others wait", cap(in)))
	select {
	case in <- struct{}{}:
		return true
	case <-stop:
		return false
	}
}

// try takes a seat if there is one.
func (s seats) try() bool {
	select {
	case s.own <- struct{}{}:
	default:
		return false
	}
	select {
	case s.limit.all <- struct{}{}:
		return true
	default:
		return s.back(s.own)
	}
}

// back gives one part of a seat back; it is false for its callers' sake.
func (seats) back(to chan struct{}) bool {
	<-to
	return false
}

// free gives a seat back.
func (s seats) free() {
	<-s.own
	<-s.limit.all
}
