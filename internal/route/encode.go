package route

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"sallyport/internal/plain"
)

// ErrOtherBuild is returned by Decode for a route that was encoded by a
// program whose options are not ours.
var ErrOtherBuild = errors.New("the route is of another build")

// layout stands before every encoded route.
var layout = sync.OnceValue(func() string { return plain.Layout(Route{}) })

// Encode is how a route is sent to another process. It is not for keeping:
// only a program with the same options can decode it.
func (r Route) Encode() []byte {
	b := append(make([]byte, 0, 8<<10), layout()...)
	return plain.Append(b, &r)
}

// Decode reads what Encode has made, and checks how many hops there are. The
// data may come from anywhere.
func Decode(data []byte) (Route, error) {
	if len(data) < plain.LayoutLen {
		return Route{}, plain.ErrMalformed
	}
	body, ours := bytes.CutPrefix(data, []byte(layout()))
	if !ours {
		return Route{}, ErrOtherBuild
	}
	var r Route
	if err := plain.Decode(body, &r); err != nil {
		return Route{}, err
	}
	if len(r.Hops) == 0 || total(r.Hops) > MaxTotal || !within(r.Hops, MaxHops) {
		return Route{}, fmt.Errorf("a route needs 1 to %d hops, and %d with all its ways at most", MaxHops, MaxTotal)
	}
	return r, nil
}

// total counts the hops of all ways, and each way.
func total(hops []Hop) int {
	n := len(hops)
	for _, h := range hops {
		for _, w := range h.Ways {
			n += 1 + total(w.Hops)
		}
	}
	return n
}

// within reports whether no way, each followed from its beginning, has more
// than most hops.
func within(hops []Hop, most int) bool {
	for i, h := range hops {
		for _, w := range h.Ways {
			if !within(w.Hops, most-len(hops)+i) {
				return false
			}
		}
	}
	return len(hops) <= most
}
