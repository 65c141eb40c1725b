package hop

import "time"

// Nudge is for a caller who has got a little and expects more at once. What a
// server says next waits until the little it has said is acknowledged (Nagle's
// algorithm). For a tunnelled hop that is the jump host's to do: its kernel
// delays it by 40 ms, unless there is something to send along with it. So
// something is sent. Nudge does not block.
func (c *Conn) Nudge() {
	select {
	case c.nudges <- struct{}{}:
	default:
	}
}

// A server that says a little all the time is not to be answered with as many
// packets: nudgeBurst at once, and then one in each nudgeInterval.
const (
	nudgeBurst    = 8
	nudgeInterval = 5 * time.Millisecond
)

// nudge sends a request that wants no answer, whenever one is due.
func (c *Conn) nudge() {
	left, last := nudgeBurst, time.Now()
	for {
		select {
		case <-c.nudges:
		case <-c.closing:
			return
		}
		if earned := int(time.Since(last) / nudgeInterval); earned > 0 {
			left, last = min(left+earned, nudgeBurst), time.Now()
		}
		if left == 0 {
			select {
			case <-time.After(nudgeInterval):
			case <-c.closing:
				return
			}
			left, last = 1, time.Now()
		}
		left--
		_, _, _ = c.SendRequest(keepalive, false, nil)
	}
}
