package daemon

import (
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// guardControls makes sockets again that clients have removed. It looks at all
// of them in turn, in one goroutine: a hundred that wake up by themselves keep
// an idle machine from sleeping. Where nothing has changed in a directory, none
// of its sockets is missing. It ends with the last socket.
func (s *Server) guardControls() {
	tick := time.NewTicker(controlPoll)
	defer tick.Stop()
	seen := directories{}
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		all := s.controls.all()
		if all == nil {
			return
		}
		changed := seen.look(all)
		for _, c := range all {
			if c.unable || changed[filepath.Dir(c.path())] {
				c.restore()
			}
		}
	}
}

// path is where the socket is.
func (c *control) path() string { return c.route.Target().Options.Control.Path }

// directories are when the directories of sockets were changed last.
type directories map[string]time.Time

// look tells in which directories something may have changed since the last
// look. A change within the clock's grain of another leaves no trace, so what
// was changed lately counts as changed.
func (d directories) look(all []*control) map[string]bool {
	changed := map[string]bool{}
	for _, c := range all {
		dir := filepath.Dir(c.path())
		if _, looked := changed[dir]; looked {
			continue
		}
		info, err := os.Stat(dir)
		changed[dir] = err != nil || !info.ModTime().Equal(d[dir]) || time.Since(info.ModTime()) < 2*controlPoll
		if err == nil {
			d[dir] = info.ModTime()
		}
	}
	return changed
}

// all are the sockets there are; nil, when there are none, ends their guard.
func (l *controls) all() []*control {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.guarded = len(l.byPath) > 0
	return slices.Collect(maps.Values(l.byPath))
}

// restore makes the socket again if it is missing. That it cannot is told once.
func (c *control) restore() {
	err := c.listener.Restore()
	told := c.unable
	if c.unable = err != nil; c.unable && !told && !errors.Is(err, net.ErrClosed) {
		c.server.log.Warn("control socket not restored", "hop", c.route.Target().Name, "err", err)
	}
}
