package daemon

import (
	"runtime/debug"
	"testing"
)

// What a transfer throws away is not collected every few megabytes.
func TestCollectorIsEased(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	c := &collectorSlack{percent: 100}
	c.adjust()
	if now := debug.SetGCPercent(100); now != c.percent || now < 100 || now > 800 {
		t.Errorf("the collector's percentage is %d, noted as %d", now, c.percent)
	}
}
