//go:build long

package main_test

import (
	"math"
	"testing"
	"time"
)

// othersMoved is what all but the first have read.
func (s *swarm) othersMoved() (sum int64) {
	for i := range s.moved[1:] {
		sum += s.moved[i+1].Load()
	}
	return sum
}

// TestPaceBesideAStalledReceiver: while one of 50 receivers does not read, the
// others move at least 80 % of what they do otherwise. Two swarms run at the same
// time, each in a daemon of its own, and take turns at having a stalled receiver:
// whatever else the machine does, it does to both.
func TestPaceBesideAStalledReceiver(t *testing.T) {
	c := twoJumps(t)
	swarms := [2]*swarm{newSwarm(t, newUser(t, c), 50), newSwarm(t, newUser(t, c), 50)}
	const rounds, slice = 6, 4 * time.Second
	sum := 0.0
	for i := range 2 * rounds {
		with, without := swarms[i%2], swarms[1-i%2]
		with.stalled.Lock()
		time.Sleep(slice / 2) // buffers fill
		a, b := with.othersMoved(), without.othersMoved()
		time.Sleep(slice)
		a, b = with.othersMoved()-a, without.othersMoved()-b
		with.stalled.Unlock()
		t.Logf("with %.1f, without %.1f MB/s", float64(a)/slice.Seconds()/1e6, float64(b)/slice.Seconds()/1e6)
		sum += math.Log(float64(a) / float64(b))
	}
	pace := math.Exp(sum / (2 * rounds))
	t.Logf("beside a stalled one, receivers move %.0f %% of what they do without", 100*pace)
	if !(pace >= 0.8) {
		t.Errorf("the others move at %.0f %% of their pace", 100*pace)
	}
	for _, s := range swarms {
		s.close()
	}
}
