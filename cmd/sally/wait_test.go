package main_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// poll asks until the answer is yes; false when it was not in time.
func poll(within time.Duration, yes func() bool) bool {
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		if yes() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// await fails the test when something does not become so soon.
func await(t testing.TB, what string, yes func() bool) {
	t.Helper()
	if !poll(soon, yes) {
		t.Fatalf("not within %v: %s", soon, what)
	}
}

// watched collects output; a reader can wait for a text in it.
type watched struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed when something was added
}

func newWatched() *watched { return &watched{changed: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
	return w.text.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *watched) await(text string, within time.Duration) bool {
	late := time.After(within)
	for {
		w.mu.Lock()
		found, changed := strings.Contains(w.text.String(), text), w.changed
		w.mu.Unlock()
		if found {
			return true
		}
		select {
		case <-changed:
		case <-late:
			return false
		}
	}
}
