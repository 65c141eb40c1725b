package cli

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/internal/transfer"
)

// Only a file of some size has a line of its own, and only so many at once.
const (
	lineFrom = 4 << 20
	lineMost = 6
)

// copyBars draws a copy's progress: a line for each large file under way, and
// one for all.
type copyBars struct {
	live *live

	// state: guarded by mu
	mu      sync.Mutex
	all     meter
	files   int // found
	ended   int
	scanned bool
	large   []*fileMeter
}

type fileMeter struct {
	name string
	meter
}

func newCopyBars(v *verbCommand) *copyBars {
	b := &copyBars{all: meter{began: time.Now()}}
	b.live = v.newLive(b.lines)
	return b
}

// observe counts an event.
func (b *copyBars) observe(e transfer.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := slices.IndexFunc(b.large, func(f *fileMeter) bool { return f.name == e.Name })
	switch e.Kind {
	case transfer.Found:
		b.files++
		b.all.size += e.Size
	case transfer.Scanned:
		b.scanned = true
	case transfer.Started:
		b.all.bytes += e.Bytes
		if e.Size >= lineFrom && len(b.large) < lineMost {
			b.large = append(b.large, &fileMeter{e.Name, meter{began: time.Now(), size: e.Size, bytes: e.Bytes}})
		}
	case transfer.Moved:
		b.all.move(e.Bytes)
		if at >= 0 {
			b.large[at].move(e.Bytes)
		}
	case transfer.Present:
		b.ended++
		b.all.bytes += e.Size
	case transfer.Done, transfer.Failed:
		b.ended++
		if at >= 0 {
			b.large = slices.Delete(b.large, at, at+1)
		}
	}
}

// lines is what live draws.
func (b *copyBars) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []string
	for _, f := range b.large {
		lines = append(lines, f.text(true)+" "+shorten(shown(f.name), 22))
	}
	text := b.all.text(b.scanned)
	if b.files > 1 {
		text += fmt.Sprintf("  %d of %s", min(b.ended, b.files), plural(b.files, "file"))
	}
	if !b.scanned {
		text += " found so far"
	}
	return append(lines, text)
}

// end takes the lines away.
func (b *copyBars) end() { b.live.end() }

// meter measures how something goes.
type meter struct {
	began time.Time
	size  int64
	bytes int64 // there now
	moved int64 // of them, by us

	// The rate is that of the last few seconds.
	mark      time.Time
	markMoved int64
	rate      float64
}

// meterEvery is how often a meter looks at its rate.
const meterEvery = 500 * time.Millisecond

func (m *meter) move(n int64) {
	m.bytes += n
	m.moved += n
	now := time.Now()
	if m.mark.IsZero() {
		m.mark = m.began
	}
	d := now.Sub(m.mark)
	if d < meterEvery {
		return
	}
	rate := float64(m.moved-m.markMoved) / d.Seconds()
	if m.rate == 0 {
		m.rate = rate
	}
	m.rate += (rate - m.rate) * min(d.Seconds()/3, 1)
	m.mark, m.markMoved = now, m.moved
}

// text is the bar and the numbers: how much, how fast, and how long still,
// once the whole is known.
func (m *meter) text(known bool) string {
	text := fmt.Sprintf("%s %8s of %8s %8s/s", bar(m.bytes, m.size, 12), size(m.bytes), size(m.size), size(int64(m.rate)))
	left := m.size - m.bytes
	if !known || m.rate <= 0 || left <= 0 {
		return text + strings.Repeat(" ", 13)
	}
	wait := time.Duration(min(float64(left)/m.rate, 1e6) * float64(time.Second)).Round(time.Second)
	return text + fmt.Sprintf(" %7s left", shortDuration(max(wait, time.Second)))
}
