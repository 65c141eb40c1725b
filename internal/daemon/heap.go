package daemon

import (
	"runtime"
	"runtime/debug"
)

// heapSlack is how much garbage may gather before a collection. The collector
// by itself starts one whenever the heap has doubled; the daemon's is small, and
// a transfer, which makes new memory of each packet, would spend a third of its
// time collecting.
const heapSlack = 16 << 20

// EaseCollector lets at least heapSlack of garbage gather between two
// collections, and as much as there is in use when that is more. It is for the
// whole process, and for a process that carries connections.
func EaseCollector() {
	slack := &collectorSlack{percent: 100}
	slack.adjust()
	slack.watch()
}

// collectorSlack follows the heap's size from one collection to the next.
type collectorSlack struct{ percent int }

// watch adjusts after each collection: that is when a finalizer runs.
func (c *collectorSlack) watch() {
	type mark struct{ _ *int } // a pointer, or it would share its memory with others
	runtime.SetFinalizer(new(mark), func(*mark) {
		c.adjust()
		c.watch()
	})
}

// adjust sets the collector's percentage, unless it is about right.
func (c *collectorSlack) adjust() {
	// What was in use at the last collection follows from when the next one
	// is due. runtime/metrics would tell, but has every start of the program
	// pay for its tables.
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	live := max(stats.NextGC/uint64(100+c.percent)*100, 1)
	want := int(min(max(heapSlack*100/live, 100), 800))
	if diff := want - c.percent; diff > c.percent/8 || diff < -c.percent/8 {
		c.percent = want
		debug.SetGCPercent(want)
	}
}
