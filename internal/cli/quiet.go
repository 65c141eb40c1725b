package cli

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"sallyport/internal/api"
	"sallyport/internal/route"
	"sallyport/internal/sshargs"
	"sallyport/internal/sshconfig"
)

// quietCommand is how the file of "sally setup" calls us, and how we know our
// own call again.
const quietCommand = " up --quiet"

// isQuietCommand reports whether the command of a "Match exec" is ours. When we
// read the configuration ourselves it is not run: of course we will.
func isQuietCommand(command string) bool {
	return strings.HasSuffix(command, quietCommand) && strings.Contains(command, "sally")
}

// quietUp serves the "Match exec" of an ssh: it brings up what that ssh is
// about to connect to, so that it finds a control socket. It says nothing but
// to ask; when the answer is no, ssh goes on as if we were not there.
//
// What ssh wants is read from its command line, since the protocol of "Match
// exec" does not tell "ssh -G" and "ssh -O" from a connection.
func (v *verbCommand) quietUp(ctx context.Context) error {
	v.code = exitFailed
	v.voice.setLevel(levelFatal - 1)
	inv, ok := callingSSH()
	if !ok {
		return nil
	}
	rt, ok := v.quietRoute(ctx, inv, inv.Overrides)
	if !ok {
		return nil
	}
	if inv.Action == sshargs.ActionDumpConfig || (inv.Action == sshargs.ActionControl && v.mayControl(ctx, rt)) {
		v.code = exitOK
		return nil
	}
	if inv.Action == sshargs.ActionControl {
		return nil
	}
	if others := slices.DeleteFunc(slices.Clone(inv.Overrides), restrictsLogin); len(others) < len(inv.Overrides) {
		if usual, ok := v.quietRoute(ctx, inv, others); ok && v.quietly(ctx, usual, nil) {
			return nil
		}
	}
	v.quietly(ctx, rt, v.newPerson())
	return nil
}

// quietly brings a route up and reports whether ssh can ride on it now. who
// may be nil, to ask nobody.
func (v *verbCommand) quietly(ctx context.Context, rt route.Route, who api.Person) bool {
	result, err := v.ask(ctx, api.OpUp, rt, who, false)
	v.voice.setLevel(levelFatal - 1)
	if err != nil || !answers(ctx, result.Control) {
		return false
	}
	v.code = exitOK
	return true
}

// restrictsLogin picks the options by which Ansible and others rule out
// methods that need a person. Where none is needed they would only make a
// second connection to the same end.
func restrictsLogin(o sshconfig.Override) bool {
	switch strings.ToLower(o.Keyword) {
	case "preferredauthentications", "passwordauthentication", "kbdinteractiveauthentication",
		"challengeresponseauthentication", "numberofpasswordprompts":
		return true
	}
	return false
}

// callingSSH is the command line of the ssh that runs us, through a shell
// perhaps; false when there is none.
func callingSSH() (*sshargs.Invocation, bool) {
	argv, ok := ancestor(func(argv []string) bool { return strings.HasPrefix(filepath.Base(argv[0]), "ssh") })
	if !ok {
		return nil, false
	}
	inv, err := sshargs.Parse(argv[1:])
	if err != nil {
		return nil, false
	}
	return inv, true
}

// quietRoute resolves what ssh will connect to; false when it will not look
// for a control socket, or wants what a shared connection does not give.
func (v *verbCommand) quietRoute(ctx context.Context, inv *sshargs.Invocation, overrides []sshconfig.Override) (route.Route, bool) {
	files, err := v.loadConfig(inv.ConfigFile)
	if err != nil {
		return route.Route{}, false
	}
	rt, err := route.Resolve(ctx, files, sshconfig.Query{
		Host: inv.Host, Overrides: overrides, Command: strings.Join(inv.Command, " "),
		StdioForward: inv.StdioForward != nil,
	})
	if err != nil {
		return route.Route{}, false
	}
	// a wish, which a server need not grant either
	rt.Each(func(h *route.Hop) { h.Options.Transport.Compression = false })
	o := rt.Target().Options
	tunnels := o.Session.Tunnel != "" && o.Session.Tunnel != "no"
	return rt, attaches(o.Control, inv) && !tunnels
}

// attaches reports whether ssh will look for a master at its ControlPath and
// ride on it. A path on the command line (Ansible's) is one to share only with
// ControlMaster auto.
func attaches(c sshconfig.Control, inv *sshargs.Invocation) bool {
	own := slices.ContainsFunc(inv.Overrides, func(o sshconfig.Override) bool {
		return strings.EqualFold(o.Keyword, "ControlPath")
	})
	switch c.Master {
	case "auto", "autoask":
		return c.Path != ""
	case "yes", "ask":
		return false
	}
	return c.Path != "" && (!own || inv.Action == sshargs.ActionControl)
}

// mayControl reports whether an "ssh -O" may look at the route's ControlPath:
// when the route is served there, or nothing is, but not when another one is.
func (v *verbCommand) mayControl(ctx context.Context, rt route.Route) bool {
	path := rt.Target().Options.Control.Path
	if !answers(ctx, path) {
		return true
	}
	result, err := v.tell(ctx, &api.Request{Op: api.OpStatus})
	if err != nil {
		return false
	}
	return slices.ContainsFunc(result.Status.Masters, func(m api.Master) bool {
		return m.Key == string(rt.Key()) && m.Control == path
	})
}

// answers reports whether somebody listens at a control socket.
func answers(ctx context.Context, path string) bool {
	if path == "" {
		return false
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
