//go:build !linux

package pool

import "time"

// sinceBoot uses the wall clock, which goes on while the machine sleeps.
func sinceBoot() time.Duration { return time.Duration(time.Now().UnixNano()) }
