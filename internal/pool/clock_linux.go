package pool

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot counts time asleep too (clock_gettime(2), CLOCK_BOOTTIME).
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("pool: CLOCK_BOOTTIME: " + err.Error())
	}
	return time.Duration(ts.Nano())
}
