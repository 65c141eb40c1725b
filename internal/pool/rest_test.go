package pool

import (
	"testing"
	"testing/synctest"
)

// TestRests: a connection is told when nobody uses it, and when somebody does
// again; a jump host's is in use as long as something runs through it.
func TestRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		p, _ := newPool(t, n, Policy{Persist: -1})
		rt := way("jump", "target")
		for range 2 {
			l, err := p.Get(t.Context(), rt, Holder{Use: UseSession}, &person{})
			if err != nil {
				t.Fatal(err)
			}
			if n.conn("target").rests() || n.conn("jump").rests() {
				t.Error("it rests while it is used")
			}
			l.Release()
			if !n.conn("target").rests() || n.conn("jump").rests() {
				t.Error("the target is used, or the jump host is not")
			}
		}
	})
}
