package hop

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"

	"sallyport/internal/race"
)

// Pacer is an Asker whose dial runs beside others that lead to the same end:
// each has a head start on the next, and one at a time goes beyond the key
// exchange.
type Pacer interface {
	// Progress notes that the dial came a step further, and that the next one
	// may take patience.
	Progress(patience time.Duration)
	// Admit waits until the dial may check the host key and authenticate, which
	// may need a person. It has to be asked again for every connection.
	Admit(ctx context.Context) error
}

// alone is the Pacer of a dial that runs beside none.
type alone struct{}

func (alone) Progress(time.Duration)      {}
func (alone) Admit(context.Context) error { return nil }

// inRace is the Pacer of one candidate: the first of them that gets as far as
// the host key is the one, if those that the dial as a whole runs beside let
// it.
type inRace struct {
	*race.Way
	above Pacer
}

func (r inRace) Progress(patience time.Duration) {
	r.Way.Progress(patience)
	r.above.Progress(patience)
}

func (r inRace) Admit(ctx context.Context) error {
	if err := r.Claim(ctx); err != nil {
		return err
	}
	return r.above.Admit(ctx)
}

// address is one way to a hop: its HostName or an AlternateAddress.
type address struct {
	host      string
	port      int
	alternate bool
}

func (a address) String() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

// addresses are the hop's, the one that is to be tried first in front. A
// ProxyCommand was made for HostName, and nothing goes around it.
func (d *dial) addresses() []address {
	o := d.Hop.Options
	all := []address{{host: o.HostName, port: o.Port}}
	if d.Via == nil && o.Proxy.Command != "" {
		return all
	}
	for _, a := range o.Connect.Alternates {
		one := address{host: a.Host, port: a.Port, alternate: true}
		if one.port == 0 {
			one.port = o.Port
		}
		all = append(all, one)
	}
	for i, a := range all {
		if a.String() == d.Prefer.entry {
			copy(all[1:], all[:i])
			all[0] = a
		}
	}
	return all
}

// Spot is where a hop was reached: which of its addresses, to be tried first
// the next time.
type Spot struct {
	entry string // as configured
	addr  string // as resolved
}

// reach makes the connection, ConnectionAttempts times at most, a second apart
// as ssh(1) does.
func (d *dial) reach(ctx context.Context) (*Conn, error) {
	for attempt := 1; ; attempt++ {
		conn, err := d.anyAddress(ctx)
		if err == nil || attempt >= d.Hop.Options.Connect.Attempts || !d.unconnected(err) || !pauseFor(ctx, time.Second) {
			return conn, err
		}
		d.log.Debug("connecting again", "attempt", attempt+1, "err", err)
	}
}

// unconnected reports whether nothing accepted a TCP connection of ours.
func (d *dial) unconnected(err error) bool {
	for _, a := range attemptsOf(err) {
		if e, ok := a.Err.(*Error); !ok || e.Stage != StageConnect {
			return false
		}
	}
	return d.Via == nil && d.Hop.Options.Proxy.Command == ""
}

// anyAddress tries the hop's addresses as configured, and gives the connection
// to the first one that works.
func (d *dial) anyAddress(ctx context.Context) (*Conn, error) {
	all := d.addresses()
	pace := d.pacer()
	if d.Via != nil {
		pace.Progress(race.HeadStart + d.patience(rttOf(d.Via)))
	}
	return d.race(ctx, pace, len(all), func(i int) string { return all[i].String() },
		func(ctx context.Context, i int, pace Pacer) (*Conn, error) {
			a := attempt{dial: d, pace: pace, to: all[i], several: len(all) > 1, start: time.Now()}
			if d.Via == nil && d.Hop.Options.Proxy.Command == "" {
				return a.resolved(ctx)
			}
			if d.Via != nil {
				a.at = all[i].String()
			}
			return a.run(ctx, a.open)
		})
}

// pacer is the asker's, if it has one.
func (d *dial) pacer() Pacer {
	if p, ok := d.Asker.(Pacer); ok {
		return p
	}
	return alone{}
}

// race tries n ways to the hop. With one there is nothing to race.
func (d *dial) race(ctx context.Context, above Pacer, n int, name func(int) string, try func(context.Context, int, Pacer) (*Conn, error)) (*Conn, error) {
	if n == 1 {
		return try(ctx, 0, above)
	}
	c := race.Config{
		InOrder: d.Hop.Options.Connect.AlternatePolicy == "order", Final: Final,
		HeadStart: race.HeadStart + d.patience(rttOf(d.Via)),
		Started: func(i int) {
			d.log.Debug("trying", "addr", name(i))
			above.Progress(0)
		},
	}
	conn, out := race.Run(ctx, c, n, func(ctx context.Context, w *race.Way) (*Conn, error) {
		return try(ctx, w.Index(), inRace{w, above})
	}, func(late *Conn) { late.Close() })
	if out.Won >= 0 {
		return conn, nil
	}
	tried := make([]Attempt, len(out.Tried))
	for i, a := range out.Tried {
		tried[i] = Attempt{Way: name(a.Way), Took: a.Took, Err: a.Err, Started: a.Started}
	}
	return nil, d.noneOf(ctx, tried, out.Final)
}

// patience is how much longer than the head start an answer may take over a
// way of which a round trip is known.
func (d *dial) patience(rtt time.Duration) time.Duration { return min(2*rtt, maxPatience) }

// maxPatience bounds what a slow way adds to a head start.
const maxPatience = 2 * time.Second

// rttOf is an opener's round trip, 0 if it is not known.
func rttOf(via Opener) time.Duration {
	if c, ok := via.(interface{ RTT() time.Duration }); ok {
		return c.RTT()
	}
	return 0
}

// attempt is a connection to one address of a hop.
type attempt struct {
	*dial
	pace    Pacer
	to      address
	at      string // the address as resolved
	several bool   // it is one of several
	start   time.Time
	rtt     time.Duration // of connecting
}

// resolved looks the address up and tries what is found.
func (a attempt) resolved(ctx context.Context) (*Conn, error) {
	addrs, err := a.lookup(ctx)
	if err != nil {
		return nil, a.fail(StageResolve, err)
	}
	dialer, err := a.newDialer(ctx)
	if err != nil {
		return nil, a.fail(StageConnect, err)
	}
	a.several = a.several || len(addrs) > 1
	name := func(i int) string { return net.JoinHostPort(addrs[i].String(), strconv.Itoa(a.to.port)) }
	return a.race(ctx, a.pace, len(addrs), name, func(ctx context.Context, i int, pace Pacer) (*Conn, error) {
		one := a
		one.at, one.pace = name(i), pace
		if i > 0 {
			one.start = time.Now()
		}
		return one.run(ctx, func(ctx context.Context) (net.Conn, Stage, error) {
			conn, err := one.dialTCP(ctx, dialer)
			return conn, StageConnect, err
		})
	})
}

// run connects by open, and logs in if this is the attempt that may.
func (a attempt) run(ctx context.Context, open func(context.Context) (net.Conn, Stage, error)) (*Conn, error) {
	opened := time.Now()
	nc, stage, err := open(ctx)
	if err != nil {
		return nil, a.fail(stage, err)
	}
	if a.rtt = time.Since(opened); a.at == "" {
		a.rtt = maxPatience / 2 // a ProxyCommand, which may have a login of its own to do
	}
	a.pace.Progress(race.HeadStart + a.patience(a.rtt))
	conn, stage, err := a.handshake(ctx, nc, max(a.left(), time.Second))
	if err != nil {
		nc.Close()
		return nil, a.fail(stage, err)
	}
	return conn, nil
}

// left is what of the bound is left to this attempt.
func (a attempt) left() time.Duration { return max(a.timeout()-time.Since(a.start), time.Second) }

// fail names the address where the hop's own does not tell.
func (a attempt) fail(stage Stage, err error) error {
	err = a.dial.fail(stage, err)
	if e, ok := err.(*Error); ok && (a.several || a.to.alternate) && e.At == "" {
		e.At = a.to.String()
		if a.at != "" {
			e.At = a.at
		}
	}
	return err
}

// spot is where this attempt goes.
func (a attempt) spot() Spot { return Spot{entry: a.to.String(), addr: a.at} }

// interleave orders addresses so that the families take turns, the first one's
// in front: one of them may have no way out (RFC 8305 §4).
func interleave(addrs []netip.Addr) []netip.Addr {
	var first, second, all []netip.Addr
	for _, a := range addrs {
		if a.Is4() == addrs[0].Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	for len(first) > 0 || len(second) > 0 {
		if len(first) > 0 {
			all, first = append(all, first[0]), first[1:]
		}
		if len(second) > 0 {
			all, second = append(all, second[0]), second[1:]
		}
	}
	return all
}

// order is that in which a host's addresses are tried.
func (a attempt) order(addrs []netip.Addr) []netip.Addr {
	if a.Hop.Options.Connect.AlternatePolicy != "order" {
		addrs = interleave(addrs)
	}
	if a.Prefer.entry != a.to.String() {
		return addrs
	}
	for i, one := range addrs {
		if net.JoinHostPort(one.String(), strconv.Itoa(a.to.port)) == a.Prefer.addr {
			copy(addrs[1:], addrs[:i])
			addrs[0] = one
		}
	}
	return addrs
}
