package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/hop"
	"sallyport/internal/mux"
	"sallyport/internal/pool"
	"sallyport/internal/route"
)

// client is one connection's api.Handler.
type client struct {
	*Server
	peer mux.Peer
}

// requestRoute decodes and checks the route of a request.
func requestRoute(r *api.Request) (route.Route, error) {
	rt, err := route.Decode(r.Route)
	switch {
	case errors.Is(err, route.ErrOtherBuild):
		return rt, &api.Error{Code: api.CodeVersion, Message: "the daemon is of another build than this command, with other options; end the daemon with \"sally quit\""}
	case err != nil:
		return rt, &api.Error{Code: api.CodeBad, Message: "unreadable route: " + err.Error()}
	}
	return rt, nil
}

// apiError tells the client which hop failed, in which stage.
func apiError(err error) error {
	if errors.Is(err, errLocked) {
		return &api.Error{Code: api.CodeLocked, Message: errLocked.Error()}
	}
	if errors.Is(err, pool.ErrShutdown) {
		return errEnding
	}
	if e := hop.Blame(err); e != nil {
		failed := &api.Error{Code: api.CodeHop, Message: err.Error(), Hop: e.Hop, Addr: cmp.Or(e.At, e.Addr), Via: e.Via,
			Stage: string(e.Stage), Cause: string(hop.CauseOf(err))}
		var refused *hop.AuthError
		if errors.As(err, &refused) {
			failed.Methods = strings.Join(refused.Allowed, ",")
		}
		return failed
	}
	return err
}

// Up is api.Handler's.
func (c client) Up(ctx context.Context, r *api.Request, ask *api.Asker) (*api.Result, error) {
	if err := c.padlock.check(); err != nil {
		return nil, apiError(err)
	}
	rt, err := requestRoute(r)
	if err != nil {
		return nil, err
	}
	before := time.Now()
	lease, err := c.pool.Get(ctx, rt, pool.Holder{Use: pool.UseRequest, What: "up"}, asker{ask, r})
	if err != nil {
		if c.ctx.Err() != nil {
			err = errEnding
		}
		return nil, apiError(err)
	}
	defer lease.Release()
	tellReuse(lease, before, asker{ask, r})
	if r.Pin {
		c.keep(rt, hop.Origin{Env: r.Env, Dir: r.Dir})
	}
	control, _ := c.offerControl(lease, rt)
	return &api.Result{
		Key: string(lease.Key()), Fresh: lease.Since().After(before), Control: control,
	}, nil
}

// tellReuse lets a person who wants details know that nothing was dialled.
func tellReuse(lease *pool.Lease, before time.Time, ask asker) {
	if since := lease.Since(); since.Before(before) {
		name := lease.Route().Target().Name
		ask.Tell(hop.Notice{Hop: name, Kind: hop.NoticeDebug,
			Text: fmt.Sprintf("debug1: %s: using the connection that is up since %s", name, since.Format(time.DateTime))})
	}
}

// useOf tells a command that only keeps the connection from a session.
func useOf(r *api.Request) pool.Use {
	switch r.What {
	case "hold":
		return pool.UseHold
	case "stdio forward":
		return pool.UseForward
	}
	return pool.UseSession
}

// Attach is api.Handler's: the connection goes on as a control socket of the
// route's master, whose lease it holds.
func (c client) Attach(ctx context.Context, r *api.Request, ask *api.Asker) (api.Attachment, error) {
	if err := c.padlock.check(); err != nil {
		return nil, apiError(err)
	}
	rt, err := requestRoute(r)
	if err != nil {
		return nil, err
	}
	if err := c.tryForwards(ctx, rt, r.Forwards); err != nil {
		return nil, apiError(err)
	}
	before := time.Now()
	lease, err := c.pool.Get(ctx, rt, pool.Holder{Use: useOf(r), What: r.What, PID: c.peer.PID}, asker{ask, r})
	if err != nil {
		if c.ctx.Err() != nil {
			err = errEnding
		}
		return nil, apiError(err)
	}
	tellReuse(lease, before, asker{ask, r})
	if _, err := c.offerControl(lease, rt); c.config.Private && !passable(err) {
		lease.Release()
		return nil, apiError(err)
	}
	return &attachment{master: &master{
		server: c.Server, route: rt, peer: c.peer, origin: known(hop.Origin{Env: r.Env, Dir: r.Dir}),
		lease: lease, holds: r.What == "hold", hangup: r.Hangup, detached: r.Detach,
	}}, nil
}

// passable reports whether a command whose connection is its own can do without
// the control socket for which err is the reason: another master has it. As
// with ssh, where none can be made that ends the command.
func passable(err error) bool {
	var taken *mux.InUseError
	return err == nil || errors.As(err, &taken)
}

// offerControl sees to the control socket that a route asks for, and returns
// its path when it serves this very route.
func (s *Server) offerControl(lease *pool.Lease, rt route.Route) (string, error) {
	var err error
	if l := s.liveOf(lease.Conn()); l != nil {
		err = l.offerControl(rt)
	}
	path := rt.Target().Options.Control.Path
	s.controls.mu.Lock()
	defer s.controls.mu.Unlock()
	if c := s.controls.byPath[path]; c == nil || c.key != lease.Key() {
		return "", err
	}
	return path, nil
}

type attachment struct{ master *master }

func (a *attachment) Serve(ctx context.Context, conn *net.UnixConn) error {
	defer a.Close()
	return a.master.serve(ctx, conn, nil)
}

func (a *attachment) Close() { a.master.leave() }

// Down is api.Handler's.
func (c client) Down(_ context.Context, r *api.Request) (*api.Result, error) {
	result := &api.Result{}
	pinned := c.letGo(route.Key(r.Key), r.All)
	if r.Drain {
		lease, err := c.pool.Find(route.Key(r.Key), pool.Holder{Use: pool.UseRequest, What: "down"})
		if err != nil {
			return nil, &api.Error{Code: api.CodeNoMaster, Message: "not connected"}
		}
		defer lease.Release()
		c.pool.Drain(lease.Key())
		result.Closed = []string{lease.Route().Target().Name}
		return result, nil
	}
	// What runs through a connection goes before it, to be counted itself.
	for _, m := range slices.Backward(c.pool.Snapshot()) {
		if (r.All || string(m.Key) == r.Key) && c.pool.Down(m.Key) {
			result.Closed = append(result.Closed, m.Hop)
		}
	}
	for _, name := range pinned { // its connection may have been lost
		if !slices.Contains(result.Closed, name) {
			result.Closed = append(result.Closed, name)
		}
	}
	if len(result.Closed) == 0 && !r.All {
		return nil, &api.Error{Code: api.CodeNoMaster, Message: "not connected"}
	}
	return result, nil
}

// checkTimeout bounds a check's round trip.
const checkTimeout = 5 * time.Second

// Check is api.Handler's: a round trip to the end of the route, on a master
// that must be up already.
func (c client) Check(ctx context.Context, r *api.Request) (*api.Result, error) {
	use := pool.UseRequest
	if r.Watch {
		use = pool.UseWatch
	}
	lease, err := c.pool.Find(route.Key(r.Key), pool.Holder{Use: use, What: "check"})
	if err != nil {
		return nil, &api.Error{Code: api.CodeNoMaster, Message: "not connected"}
	}
	defer lease.Release()
	start := time.Now()
	if err := roundTrip(ctx, lease); err != nil {
		return nil, apiError(err)
	}
	return &api.Result{Key: r.Key, RTT: time.Since(start).Seconds()}, nil
}

// Logs is api.Handler's.
func (c client) Logs(ctx context.Context, r *api.Request, emit func(api.Record) error) error {
	past, live, stop := c.book.follow()
	defer stop()
	show := func(rec api.Record) error {
		if (r.Hop != "" && rec.Hop != r.Hop) || detail(rec) > r.Debug {
			return nil
		}
		return emit(rec)
	}
	for _, rec := range past {
		if err := show(rec); err != nil {
			return err
		}
	}
	for r.Follow {
		select {
		case rec := <-live:
			if err := show(rec); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// Quit is api.Handler's.
func (c client) Quit(context.Context, *api.Request) (func(), error) {
	return func() {
		c.pins.forget() // before anybody can see that the daemon ends
		c.quitOnce.Do(func() { close(c.quit) })
	}, nil
}
