package cli

import (
	"strconv"
	"time"
)

// shortDuration is a duration for people: its two largest units, or one with a
// fraction below a minute. "2h", "1h10m", "18m50s", "2.5s", "490µs".
func shortDuration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + shortDuration(-d)
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute-50*time.Millisecond:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour-500*time.Millisecond:
		return twoUnits(int64(d.Round(time.Second)/time.Second), "m", "s", 60)
	case d < 100*time.Hour:
		return twoUnits(int64(d.Round(time.Minute)/time.Minute), "h", "m", 60)
	}
	return twoUnits(int64(d.Round(time.Hour)/time.Hour), "d", "h", 24)
}

// twoUnits writes n small units as large and small ones; what is nought is
// left out.
func twoUnits(n int64, large, small string, factor int64) string {
	text := strconv.FormatInt(n/factor, 10) + large
	if rest := n % factor; rest > 0 {
		text += strconv.FormatInt(rest, 10) + small
	}
	return text
}
