package hop

import (
	"testing"
	"time"
)

// TestMayRest: only what nobody uses, behind a jump host, heard of lately and
// with an interval that is ours.
func TestMayRest(t *testing.T) {
	resting := func() *Conn {
		c := &Conn{via: "jump", wire: &wire{born: time.Now().Add(-time.Hour)}}
		c.wire.last.Store(int64(time.Since(c.wire.born)))
		c.Rest(true)
		return c
	}
	for name, tt := range map[string]struct {
		change func(*Conn)
		want   bool
	}{
		"rests":             {func(*Conn) {}, true},
		"direct":            {func(c *Conn) { c.via = "" }, false},
		"used":              {func(c *Conn) { c.Rest(false) }, false},
		"its user's choice": {func(c *Conn) { c.hop.Options.Connect.ServerAliveSet = true }, false},
		"long silent": {func(c *Conn) {
			c.wire.last.Store(int64(time.Since(c.wire.born) - restingInterval))
		}, false},
	} {
		c := resting()
		tt.change(c)
		if got := c.mayRest(); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestTicksTogether: connections that began at different times look at the same
// ones, unless the interval is the user's.
func TestTicksTogether(t *testing.T) {
	c := &Conn{}
	at := time.Since(began) + c.tick(time.Hour)
	if off := (at + time.Second) % time.Hour; off > 2*time.Second {
		t.Errorf("the next look is %v after a whole hour", off-time.Second)
	}
	c.hop.Options.Connect.ServerAliveSet = true
	if got := c.tick(time.Hour); got != time.Hour {
		t.Errorf("%v, want what was asked for", got)
	}
}
