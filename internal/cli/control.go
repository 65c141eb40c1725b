package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"sallyport/internal/mux"
	"sallyport/internal/route"
)

// dialMaster connects to the master at ControlPath; nil when none is there.
func (c *sshCommand) dialMaster(ctx context.Context) (*mux.Client, error) {
	path := c.options.Control.Path
	if path == "" {
		return nil, nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	if err := trustedMaster(conn.(*net.UnixConn)); err != nil {
		conn.Close()
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	client, err := mux.NewClient(ctx, conn.(*net.UnixConn))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return client, nil
}

// trustedMaster refuses a socket that somebody else listens on: in a directory
// that others can write to he may have come first, and would be given our
// terminal and all that is typed.
//
// Differs from OpenSSH, whose client does not look.
func trustedMaster(conn *net.UnixConn) error {
	peer, err := mux.PeerOf(conn)
	if err == nil && !peer.Trusted() {
		err = fmt.Errorf("its master runs as user %d, not as you: refused", peer.UID)
	}
	return err
}

// existingMaster is the master that a session of this command line may ride
// on. Only the ssh face looks for one: sally has the daemon's. The part of a
// command in the background has been told by the other what there was.
func (c *sshCommand) existingMaster(ctx context.Context) (*mux.Client, error) {
	if c.face != faceSSH || c.options.Control.Path == "" {
		return nil, nil
	}
	for _, part := range []*background{c.background, c.watched} {
		if part != nil {
			if part.isAlone() {
				c.dropControlPath()
			}
			return nil, nil
		}
	}
	client, err := c.dialMaster(ctx)
	if err != nil || client == nil {
		return nil, err
	}
	if c.options.Control.Master == "yes" || c.options.Control.Master == "ask" {
		c.voice.say(levelError, fmt.Sprintf("ControlSocket %s already exists, disabling multiplexing", c.options.Control.Path))
		client.Close()
		c.alone = true
		c.dropControlPath()
		return nil, nil
	}
	if err := c.forwards(ctx, client); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// settleControl decides whether this command's own connection will be a
// master that others find at its ControlPath: in the ssh face when ControlMaster
// says so. A jump host's ControlPath belongs to connections of its own.
func (c *sshCommand) settleControl() {
	if c.face == faceSally && c.private {
		c.route.Each(func(h *route.Hop) { h.Options.Control.Path = "" })
		c.options.Control.Path = "" // --no-daemon: nobody shares it
	}
	if c.face != faceSSH {
		return
	}
	target := c.route.Target().Options.Control.Path
	c.route.Each(func(h *route.Hop) { h.Options.Control.Path = "" })
	c.route.Hops[len(c.route.Hops)-1].Options.Control.Path = target
	if c.options.Control.Master == "no" {
		c.dropControlPath()
	}
}

// persists reports whether the connection is to stay after this command, as a
// master in the background.
func (c *sshCommand) persists() bool {
	o := c.options.Control
	return c.face == faceSSH && o.Path != "" && o.PersistSet && (o.PersistForever || o.Persist > 0)
}

// persistentMaster starts the master in the background, which asks its
// questions here first, and rides on it.
func (c *sshCommand) persistentMaster(ctx context.Context) (int, error) {
	code, err := c.runInBackground(roleMaster)
	if err != nil || code != exitOK {
		return code, err
	}
	client, err := c.needMaster(ctx)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	if err := c.forwards(ctx, client); err != nil {
		return 0, errors.Join(err, client.Terminate(ctx))
	}
	if err := c.localCommand(); err != nil {
		return 0, err
	}
	if c.forks() {
		return c.runInBackground(roleRider)
	}
	return c.ride(ctx, client)
}

// needMaster is dialMaster where there must be one.
func (c *sshCommand) needMaster(ctx context.Context) (*mux.Client, error) {
	client, err := c.dialMaster(ctx)
	if err == nil && client == nil {
		err = fmt.Errorf("no master is at control socket %s", c.options.Control.Path)
	}
	return client, err
}

// rideExisting is the background part of -f on a master that others share.
func (c *sshCommand) rideExisting(ctx context.Context) (int, error) {
	client, err := c.needMaster(ctx)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	return c.ride(ctx, client)
}

// dropControlPath makes the connection one that nobody else finds.
func (c *sshCommand) dropControlPath() {
	c.options.Control.Path = ""
	c.route.Hops[len(c.route.Hops)-1].Options.Control.Path = ""
}

// control performs -O: a command to the live master, which never logs in.
func (c *sshCommand) control(ctx context.Context) (int, error) {
	if c.options.Control.Path == "" {
		return c.controlWithoutPath(ctx)
	}
	client, err := c.dialMaster(ctx)
	if err != nil {
		return 0, err
	}
	if client == nil {
		return 0, fmt.Errorf("no master is at control socket %s", c.options.Control.Path)
	}
	defer client.Close()
	switch c.inv.Control {
	case "proxy":
		return c.proxied(ctx, client)
	case "check":
		pid, err := client.Alive(ctx)
		if err == nil {
			c.voice.answer(levelQuiet, fmt.Sprintf("Master running (pid=%d)", pid))
		}
		return exitOK, err
	case "exit":
		err := client.Terminate(ctx)
		if err == nil {
			c.voice.answer(levelFatal, "Exit request sent.")
		}
		return exitOK, err
	case "stop":
		err := client.StopListening(ctx)
		if err == nil {
			c.voice.answer(levelFatal, "Stop listening request sent.")
		}
		return exitOK, err
	case "forward", "cancel":
		return c.controlForwards(ctx, client)
	case "conninfo", "channels":
		text, err := client.Info(ctx, strings.Replace(c.inv.Control, "conninfo", "connection", 1))
		if err == nil {
			fmt.Fprint(c.out, text)
		}
		return exitOK, err
	}
	return 0, fmt.Errorf("-O %s is not supported by this version", c.inv.Control)
}

// controlWithoutPath performs -O on a connection that no ControlPath names. In
// sally's own face the daemon knows it.
func (c *sshCommand) controlWithoutPath(ctx context.Context) (int, error) {
	if c.face == faceSSH {
		return 0, errors.New("no ControlPath specified for \"-O\" command")
	}
	switch c.inv.Control {
	case "check":
		return exitOK, c.checkOne(ctx, c.route)
	case "exit":
		return exitOK, c.downOne(ctx, c.route)
	case "stop":
		return exitOK, c.drainOne(ctx, c.route)
	}
	return 0, fmt.Errorf("-O %s needs a ControlPath; check, exit and stop do without", c.inv.Control)
}

// proxied runs the session by ourselves, over the master's connection (-O
// proxy): for a master that is reached over something that passes no
// descriptors.
func (c *sshCommand) proxied(ctx context.Context, client *mux.Client) (int, error) {
	c.route.Hops = c.route.Hops[len(c.route.Hops)-1:]
	c.route.Hops[0].Ways = nil
	c.dropControlPath()
	c.private, c.through = true, client
	return c.session(ctx)
}

// controlForwards opens or cancels the forwards of the command line: all that
// can be. As ssh says it, it is no failure that there are none, or that one which
// is to be cancelled is not there.
func (c *sshCommand) controlForwards(ctx context.Context, client *mux.Client) (int, error) {
	all := configuredForwards(c.options.Forward)
	if len(all) == 0 && c.face != faceSSH {
		return 0, errors.New("no forwarding specified")
	}
	do := c.openForward
	if c.inv.Control == "cancel" {
		do = func(ctx context.Context, client *mux.Client, f mux.Forward) error { return client.CloseForward(ctx, f) }
	}
	var failed error
	for _, f := range all {
		if err := do(ctx, client, f); err != nil {
			if failed != nil {
				c.voice.complain(failed)
			}
			failed = err
		}
	}
	if failed != nil && c.inv.Control == "cancel" && c.face == faceSSH {
		c.voice.complain(failed)
		failed = nil
	}
	return exitOK, failed
}

// openForward opens one, and prints the port that a server has chosen.
func (c *sshCommand) openForward(ctx context.Context, client *mux.Client, f mux.Forward) error {
	port, err := client.OpenForward(ctx, f)
	if err != nil {
		return inOneVoice(err)
	}
	if f.Kind == mux.ForwardRemote && f.ListenPath == "" && f.ListenPort == 0 {
		fmt.Fprintf(c.out, "%d\n", port)
	}
	return nil
}
