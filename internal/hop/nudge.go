package hop

import "time"

// At most nudgeBurst nudges at once, and then one in each nudgeInterval, the last
// of them after the last that was received.
const (
	nudgeBurst    = 8
	nudgeInterval = 2 * time.Millisecond
)

// nudge has what a server says next through a jump host come at once. A server
// holds it back until what it has said is acknowledged (Nagle's algorithm), and for a
// tunnel that is for the jump host to do: its kernel delays it by 40 ms, unless there is
// something to send along with it. So unless something else was sent since, a
// request that wants no answer is. Each hop does that for its own link: what is
// held back may be the end of a packet, of which nobody further in knows yet.
func (c *Conn) nudge() {
	left, last := nudgeBurst, time.Now()
	for {
		select {
		case <-c.wire.nudges:
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
		if c.wire.unanswered.Load() {
			left--
			_, _, _ = c.SendRequest(keepalive, false, nil)
		}
	}
}
