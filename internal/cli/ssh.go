package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/mux"
	"sallyport/internal/route"
	"sallyport/internal/sshargs"
	"sallyport/internal/sshconfig"
)

// face is how the program presents itself.
type face int

const (
	// faceSally shares connections by default.
	faceSally face = iota
	// faceSSH is ssh(1): ControlMaster decides about sharing.
	faceSSH
)

// name is what the face calls itself in messages.
func (f face) name() string {
	if f == faceSSH {
		return "ssh"
	}
	return "sally"
}

// ssh is the whole life of an ssh command line. It returns the exit code.
func (a *App) ssh(f face, args []string) int {
	private := false
	if f == faceSally {
		args, private = sshargs.CutLong(args, "--no-daemon")
	}
	args, resume, err := cutResume(f, args)
	if f == faceSally && !private {
		args, private = sshargs.CutLong(args, "--no-daemon")
	}
	var inv *sshargs.Invocation
	if err == nil {
		inv, err = sshargs.Parse(args)
	}
	if err != nil {
		return a.usageError(f, err)
	}
	inv.Overrides = append(inv.Overrides, resume...)
	a.voice.name = f.name()
	if inv.LogFile != "" {
		if err := a.voice.redirect(inv.LogFile); err != nil {
			a.voice.complain(err)
			return exitFailed // as ssh
		}
	}
	if inv.Syslog {
		a.useSystemLog("USER") // until the configuration is read
	}
	c := &sshCommand{App: a, face: f, inv: inv, private: private || f == faceSSH, background: a.newBackground()}
	if c.background.is(roleSession) {
		c.background, c.watched = nil, c.background
		c.watched.follow()
	}
	switch inv.Action {
	case sshargs.ActionVersion:
		fmt.Fprintln(a.Stderr, "Sallyport_"+a.Version)
		return exitOK
	case sshargs.ActionQuery:
		return a.query(inv.Query)
	case sshargs.ActionSession, sshargs.ActionDumpConfig, sshargs.ActionStdioForward, sshargs.ActionControl:
		return a.untilSignal(c.run)
	}
	a.voice.complain(errors.New("this flag is not supported by this version"))
	return exitSSH
}

func (a *App) usageError(f face, err error) int {
	var usage *sshargs.UsageError
	if errors.As(err, &usage) && usage.Text != "" {
		fmt.Fprintf(a.Stderr, "%s\n", usage.Text)
	}
	if usage == nil || usage.ShowUsage {
		_ = sshargs.Usage(a.Stderr, f.name())
	}
	return exitSSH
}

// sshCommand is one ssh command line under way.
type sshCommand struct {
	*App
	face    face
	inv     *sshargs.Invocation
	private bool // a connection of its own, in this process

	background *background // the child of -f, else nil
	watched    *background // the child that "~&" may take off the terminal, else nil
	left       atomic.Bool // it did
	through    *mux.Client // the master to ride on in proxy mode, else nil
	route      route.Route
	options    sshconfig.Options
	person     *person
	lost       bool // the session has ended with its connection
}

func (c *sshCommand) run(ctx context.Context) int {
	err := c.resolve(ctx)
	if err == nil && c.inv.Action == sshargs.ActionDumpConfig {
		return exitOK
	}
	if err == nil {
		var code int
		if code, err = c.act(ctx); err == nil {
			return code
		}
	}
	if s, ok := signalled(ctx); ok {
		return s.code()
	}
	c.voice.complain(err)
	return exitSSH
}

// act does what the command line asks for on the resolved route.
func (c *sshCommand) act(ctx context.Context) (int, error) {
	if c.inv.Action == sshargs.ActionControl {
		return c.control(ctx)
	}
	if c.background.is(roleRider) {
		return c.rideExisting(ctx)
	}
	if client, err := c.existingMaster(ctx); err != nil || client != nil {
		if err != nil {
			return 0, err
		}
		defer client.Close()
		if c.forks() {
			return c.runInBackground(roleRider)
		}
		return c.ride(ctx, client)
	}
	c.settleControl()
	if c.persists() && c.background == nil {
		return c.persistentMaster(ctx)
	}
	if c.forks() {
		return c.runInBackground(roleCommand)
	}
	if c.mayLeaveTerminal() {
		return c.runWatched(ctx)
	}
	return c.sessions(ctx)
}

// mayLeaveTerminal reports whether "~&" must be able to keep this command's
// own connection when the terminal goes: when something is forwarded over it.
func (c *sshCommand) mayLeaveTerminal() bool {
	o := c.options
	tty, _ := c.chooseTTY()
	forwards := len(o.Forward.Local)+len(o.Forward.Remote)+len(o.Forward.Dynamic) > 0 || o.Forward.X11 || o.Session.EnableEscapeCommandline
	return c.private && c.background == nil && c.watched == nil && c.through == nil && c.inv.StdioForward == nil &&
		tty && isTerminal(c.Stdin) && o.Session.SessionType != "none" && o.Session.EscapeChar >= 0 && forwards
}

// forks reports whether this is the part of -f that stays in the foreground.
func (c *sshCommand) forks() bool {
	return c.options.Session.ForkAfterAuthentication && c.background == nil
}

// resolve finds the route. With -G it prints the target's options instead.
func (c *sshCommand) resolve(ctx context.Context) error {
	files, err := c.loadConfig(c.inv.ConfigFile)
	if err != nil {
		return err
	}
	q := sshconfig.Query{Host: c.inv.Host, Overrides: c.inv.Overrides,
		Command: strings.Join(c.inv.Command, " "), StdioForward: c.inv.StdioForward != nil,
		PrintOnly: c.inv.Action == sshargs.ActionDumpConfig}
	c.warnMissingIdentities(q.Overrides)
	q.Overrides = presentIdentities(q.Overrides)
	if c.inv.Action == sshargs.ActionDumpConfig {
		resolved, err := files.Resolve(ctx, q)
		if err != nil {
			return err
		}
		return resolved.Dump(c.Stdout)
	}
	heard := &wishes{files: files}
	if c.route, err = route.Resolve(ctx, heard, q); err != nil {
		return err
	}
	c.options = c.route.Target().Options
	c.voice.setLevel(levelOf(c.options.Log.Level))
	if c.voice.write != nil {
		c.useSystemLog(c.options.Log.SyslogFacility)
	}
	c.person = c.newPerson()
	if c.inv.Action == sshargs.ActionControl || c.background != nil || c.watched != nil { // it opens nothing, or the foreground has told
		return nil
	}
	return c.tellGaps(heard, true)
}

// missingIdentity tells of an -i whose file is not there. An empty one is
// none: scripts have "-i" with a variable that may not be set.
func missingIdentity(o sshconfig.Override) (file string, missing bool) {
	if o.From != "-i" || strings.Contains(o.Value, "%") {
		return "", false
	}
	file = strings.Trim(o.Value, "\"")
	if strings.HasPrefix(file, "~") {
		env, err := sshconfig.DefaultEnv()
		if err == nil {
			file, err = env.ExpandHome(file)
		}
		if err != nil {
			return "", false // which is an error when it is used
		}
	}
	_, err := os.Stat(file)
	return file, err != nil
}

// presentIdentities leaves out the files of -i that are not there, as ssh(1)
// does.
func presentIdentities(all []sshconfig.Override) []sshconfig.Override {
	return slices.DeleteFunc(slices.Clone(all), func(o sshconfig.Override) bool {
		_, missing := missingIdentity(o)
		return missing
	})
}

// warnMissingIdentities tells of those.
func (a *App) warnMissingIdentities(all []sshconfig.Override) {
	for _, o := range all {
		if file, missing := missingIdentity(o); missing {
			a.voice.say(levelError, fmt.Sprintf("Warning: Identity file %s not accessible: No such file or directory.", file))
		}
	}
}

// loadConfig reads the configuration that -F names, or the usual files.
func (a *App) loadConfig(file string) (*sshconfig.Files, error) {
	env, err := a.configEnv()
	if err != nil {
		return nil, err
	}
	return sshconfig.Load(file, env)
}

// configEnv is what the configuration is read with.
func (a *App) configEnv() (sshconfig.Env, error) {
	env, err := sshconfig.DefaultEnv()
	if err != nil {
		return env, err
	}
	env.HashJump = sync.OnceValue(func() bool { return sshHashesJump(a.Getenv("PATH")) })
	run := env.Exec
	env.Exec = func(ctx context.Context, command string) (bool, error) {
		if isQuietCommand(command) {
			return true, nil
		}
		return run(ctx, command)
	}
	return env, nil
}

// session attaches to the route's master and runs what was asked for there.
func (c *sshCommand) session(ctx context.Context) (int, error) {
	c.settleQoS()
	conn, release, err := c.attach(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	defer conn.Close()
	c.remember()
	client, err := mux.NewClient(ctx, conn)
	if err != nil {
		return 0, err
	}
	if c.background.is(roleMaster) {
		c.background.detach(1, 2)
		return exitOK, nil // the release waits for those who ride
	}
	if err := c.forwards(ctx, client); err != nil {
		return 0, err
	}
	if err := c.localCommand(); err != nil {
		return 0, err
	}
	pid := daemonPID(conn)
	code, err := c.ride(ctx, client)
	if c.mayBeLost(code, err) && !c.private && c.daemonGone(ctx, pid) {
		return 0, errDaemonEnded
	}
	return code, err
}

// settleQoS marks a connection that is for one session without a terminal as
// bulk (ssh_config(5), IPQoS). One that is shared serves both kinds and is
// marked as interactive.
func (c *sshCommand) settleQoS() {
	tty, _ := c.chooseTTY()
	if c.private && c.options.Control.Path == "" && !tty && c.inv.StdioForward == nil && c.options.Session.SessionType != "none" {
		c.route.EachFirst(func(h *route.Hop) { h.Options.Connect.IPQoSInteractive = h.Options.Connect.IPQoSBulk })
	}
}

// mayBeLost reports whether a ride has ended as it does when its master goes away:
// a stdio forward ends like its data.
func (c *sshCommand) mayBeLost(code int, err error) bool {
	return err == nil && (code == exitSSH || c.inv.StdioForward != nil) || errors.Is(err, mux.ErrLost)
}

// errDaemonEnded explains a session without an exit status.
var errDaemonEnded = errors.New("the daemon ended, and this session with it")

// daemonPID is the process of the daemon at the other end, 0 if the system does
// not tell.
func daemonPID(conn *net.UnixConn) int {
	peer, err := mux.PeerOf(conn)
	if err != nil {
		return 0
	}
	return peer.PID
}

// daemonGone reports whether the daemon that had our session, a process, has
// ended. There may be another one by now.
func (a *App) daemonGone(ctx context.Context, pid int) bool {
	conn, err := a.dialDaemon(ctx)
	if err != nil {
		return errors.Is(err, errNoDaemon)
	}
	defer conn.Close()
	if now := daemonPID(conn); pid > 0 && now > 0 && now != pid {
		return true
	}
	// One that is being killed may have its socket a little longer.
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err = api.Do(ctx, conn, &api.Request{Op: api.OpStatus}, nil)
	return err != nil && ctx.Err() == nil
}

// attach brings the route up, with questions on our terminal, and returns a
// connection that is a control socket of its master. The function releases the
// daemon, when it is in this process.
func (c *sshCommand) attach(ctx context.Context) (*net.UnixConn, func(), error) {
	r := c.request(api.OpAttach, c.route)
	r.Debug = max(levelOf(c.options.Log.Level)-levelVerbose, 0)
	r.What = c.what()
	if c.options.Forward.ExitOnFailure && c.through == nil {
		r.Forwards = ownForwards(c.options.Forward)
	}
	if c.private {
		return c.attachPrivately(ctx, r)
	}
	conn, _, err := c.do(ctx, c.needDaemon, r, c.person)
	return conn, func() {}, err
}

func (c *sshCommand) attachPrivately(ctx context.Context, r *api.Request) (*net.UnixConn, func(), error) {
	conn, release, err := c.privateDaemon(ctx)
	if err != nil {
		return nil, nil, err
	}
	if _, err := api.Do(ctx, conn, r, c.person); err != nil {
		conn.Close()
		release()
		return nil, nil, err
	}
	return conn, release, nil
}
