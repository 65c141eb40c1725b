package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"sallyport/internal/askpass"
	"sallyport/internal/hop"
	"sallyport/internal/mux"
)

// known is the surroundings of somebody of whom they are known.
func known(o hop.Origin) func() hop.Origin { return func() hop.Origin { return o } }

// lookUp finds a client's surroundings out when they are needed, for which its
// process must still be there. Few need them: they are for questions.
func lookUp(p mux.Peer) func() hop.Origin {
	return sync.OnceValue(func() hop.Origin { return originOf(p) })
}

// originOf is what is known of a control client's surroundings: the
// environment and directory of its process. Empty where the system does not
// tell.
func originOf(p mux.Peer) hop.Origin {
	if p.PID <= 0 {
		return hop.Origin{}
	}
	proc, err := os.OpenRoot(fmt.Sprintf("/proc/%d", p.PID)) // the same process in all that follows
	if err != nil {
		return hop.Origin{}
	}
	defer proc.Close()
	status, err := proc.ReadFile("status")
	if err != nil || !runsAs(status, p.UID) {
		return hop.Origin{}
	}
	environ, err := proc.ReadFile("environ")
	if err != nil || len(environ) == 0 {
		return hop.Origin{}
	}
	dir, err := proc.Readlink("cwd")
	if err != nil {
		dir = "/"
	}
	return hop.Origin{Env: strings.Split(strings.TrimSuffix(string(environ), "\x00"), "\x00"), Dir: dir}
}

// runsAs reports whether a process, by its /proc/PID/status, is a user's in
// every respect. The client may have gone and its number been taken by
// somebody else's process, whose SSH_ASKPASS we would then run; a setuid
// program of his is not root's for this purpose.
func runsAs(status []byte, uid uint32) bool {
	for line := range strings.Lines(string(status)) {
		ids, found := strings.CutPrefix(line, "Uid:")
		if !found {
			continue
		}
		want := fmt.Sprint(uid)
		fields := strings.Fields(ids)
		return len(fields) == 4 && !slices.ContainsFunc(fields, func(id string) bool { return id != want })
	}
	return false
}

// lookup is a variable of an environment.
func lookup(env []string, name string) string {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// outsider asks through SSH_ASKPASS in somebody's surroundings: a client of a
// control socket cannot be asked otherwise. It is a hop.Asker.
type outsider struct{ origin func() hop.Origin }

func (o outsider) Origin() hop.Origin { return o.origin() }
func (o outsider) Tell(hop.Notice)    {}

// Ask is hop.Asker's.
func (o outsider) Ask(ctx context.Context, q hop.Question) (string, error) {
	origin := o.origin()
	getenv := func(name string) string { return lookup(origin.Env, name) }
	if allowed, _ := askpass.Allowed(getenv); !allowed {
		return "", hop.ErrNobody
	}
	program := askpass.Program{Path: getenv("SSH_ASKPASS"), Env: origin.Env, Dir: origin.Dir}
	answer, err := program.Ask(ctx, q.Intro+q.Text, q.Kind == hop.KindConfirm)
	switch {
	case errors.Is(err, askpass.ErrRefused):
		return "", hop.ErrCancelled
	case err != nil:
		return "", fmt.Errorf("%w: SSH_ASKPASS: %w", hop.ErrNobody, err)
	}
	return answer, nil
}

// permit refuses everything while the daemon is locked. Else it asks the owner of the connection, as ControlMaster ask and autoask
// want it, before a control client may use it (mux.c: "Allow shared …?").
func (m *master) permit(ctx context.Context, what string) error {
	if err := m.server.padlock.check(); err != nil {
		return err
	}
	mode := m.route.Target().Options.Control.Master
	if !m.shared || (mode != "ask" && mode != "autoask") {
		return nil
	}
	origin := m.origin
	if m.lease != nil {
		origin = m.lease.Origin
	}
	target := m.route.Target()
	answer, err := outsider{origin}.Ask(ctx, hop.Question{
		Hop: target.Name, Kind: hop.KindConfirm,
		Text: fmt.Sprintf("Allow shared %s to %s? ", what, target.Options.HostName),
	})
	if err == nil && strings.EqualFold(answer, "yes") {
		return nil
	}
	return mux.Denied{Reason: "Permission denied"}
}
