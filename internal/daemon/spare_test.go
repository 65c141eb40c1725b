package daemon

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTakingASpare in each of its states: the next session has it when the
// server was asked for it already, and does not wait for it before that.
func TestTakingASpare(t *testing.T) {
	const while = time.Second
	sp := &spare{}
	for name, test := range map[string]struct {
		prepare func(*spares)
		want    *spare
		after   time.Duration
	}{
		"none":        {func(s *spares) {}, nil, 0},
		"ready":       {func(s *spares) { s.begin(); s.ask(); s.made(sp) }, sp, 0},
		"not asked":   {func(s *spares) { s.begin() }, nil, 0},
		"asked":       {func(s *spares) { s.begin(); s.ask(); time.AfterFunc(while/2, func() { s.made(sp) }) }, sp, while / 2},
		"refused":     {func(s *spares) { s.begin(); s.ask(); time.AfterFunc(while/2, func() { s.made(nil) }) }, nil, while / 2},
		"asked, slow": {func(s *spares) { s.begin(); s.ask() }, nil, while},
		"stopped":     {func(s *spares) { s.begin(); s.ask(); s.stop(); time.AfterFunc(while/2, func() { s.made(sp) }) }, nil, while / 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s spares
				test.prepare(&s)
				begun := time.Now()
				if got := s.take(while); got != test.want || time.Since(begun) != test.after {
					t.Errorf("%v after %v, want %v after %v", got, time.Since(begun), test.want, test.after)
				}
				if s.take(0) != nil {
					t.Error("a spare was taken twice")
				}
			})
		})
	}
}

// TestSpareCalledOff: after a session that does not wait for it no spare is asked
// for, and the next one may be.
func TestSpareCalledOff(t *testing.T) {
	var s spares
	if !s.begin() || s.begin() {
		t.Error("not one is made at a time")
	}
	s.take(0)
	if s.ask() || s.made(nil) || !s.begin() || !s.ask() {
		t.Errorf("%+v", &s)
	}
}
