package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"strings"

	"sallyport/internal/mux"
	"sallyport/internal/sshconfig"
)

// ride does what the command line asks for as a client of a master, and
// returns the exit code.
func (c *sshCommand) ride(ctx context.Context, client *mux.Client) (int, error) {
	switch {
	case c.inv.StdioForward != nil:
		return c.stdioForward(ctx, client)
	case c.options.Session.SessionType == "none":
		return c.hold(ctx, client)
	}
	return c.passenger(ctx, client)
}

// stdioForward joins our streams to an address behind the target: ssh -W.
func (c *sshCommand) stdioForward(ctx context.Context, client *mux.Client) (int, error) {
	to := c.inv.StdioForward
	r := &mux.StdioForwardRequest{Host: to.ConnectHost, Port: to.ConnectPort, Path: to.ConnectPath}
	s, err := client.StdioForward(ctx, r, [2]*os.File{c.Stdin, c.Stdout})
	if err != nil {
		return 0, inOneVoice(err)
	}
	c.Stdin.Close() // the master has them: their ends must be seen
	c.Stdout.Close()
	_, err = s.Wait(ctx, func() {})
	return 0, err
}

// passenger runs a session.
func (c *sshCommand) passenger(ctx context.Context, client *mux.Client) (int, error) {
	stdin := c.Stdin
	if c.options.Session.StdinNull || c.background != nil {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return 0, err
		}
		defer null.Close()
		stdin = null
	}
	pid, err := client.Alive(ctx)
	if err != nil {
		return 0, err
	}
	tty := c.wantsTTY()
	s, err := client.Session(ctx, c.sessionRequest(tty), [3]*os.File{stdin, c.Stdout, c.Stderr})
	if err != nil {
		return 0, err
	}
	if c.background != nil {
		c.background.detach()
	}
	restore := func() {}
	if tty && isTerminal(stdin) {
		raw, err := enterRaw(stdin)
		if err != nil {
			return 0, fmt.Errorf("terminal: %w", err)
		}
		defer raw.leave()
		defer c.ending.atOnce(func(os.Signal) { raw.leave() })()
		defer c.watchWindow(int(pid))()
		restore = raw.leave
	}
	exit, err := c.awaitExit(ctx, s, restore)
	if errors.Is(err, errNoTerminal) {
		return exitSSH, nil // whoever asked for it was told why
	}
	if tty && c.face == faceSSH && ctx.Err() == nil && !c.left.Load() {
		restore()
		c.voice.say(levelInfo, "Connection to "+c.options.HostName+" closed.")
	}
	switch {
	case err != nil:
		return 0, err
	case !exit.Known:
		c.lost = true
		return exitSSH, nil
	}
	return int(exit.Status), nil
}

// errNoTerminal says that the server refused the terminal that was asked for.
var errNoTerminal = errors.New("the server gives no terminal")

// awaitExit waits for the session's end. If the server has no terminal for it,
// ours is restored, and the session goes on unless a terminal was asked for
// (-t, RequestTTY): then it ends (clientloop.c: client_status_confirm).
func (c *sshCommand) awaitExit(ctx context.Context, s *mux.ClientSession, restore func()) (mux.Exit, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	exit, err := s.Wait(ctx, func() {
		restore()
		if asked := c.options.Session.RequestTTY; asked == "yes" || asked == "force" {
			cancel(errNoTerminal)
		}
	})
	if cause := context.Cause(ctx); errors.Is(cause, errNoTerminal) {
		return exit, cause
	}
	return exit, err
}

// hold keeps the connection until it ends or the user does: ssh -N.
func (c *sshCommand) hold(ctx context.Context, client *mux.Client) (int, error) {
	if c.background != nil {
		c.background.detach(c.unusedStreams()...)
	}
	return 0, client.Hold(ctx)
}

// unusedStreams are the output streams of -f that nothing is written to when
// there is no session (ssh.c: fork_postauth).
func (c *sshCommand) unusedStreams() []int {
	if c.voice.debugs() {
		return []int{1}
	}
	return []int{1, 2}
}

// localCommand runs LocalCommand on this side once the connection is there
// (ssh_config(5), PermitLocalCommand).
func (c *sshCommand) localCommand() error {
	s := c.options.Session
	if !s.PermitLocalCommand || s.LocalCommand == "" {
		return nil
	}
	shell := c.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	cmd := exec.Command(shell, "-c", s.LocalCommand)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	defer c.ending.lend()()
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("LocalCommand: %w", err)
	}
	return nil
}

// wantsTTY applies RequestTTY (ssh_config(5)).
func (c *sshCommand) wantsTTY() bool {
	tty, noTerminal := c.chooseTTY()
	if !noTerminal {
		return tty
	}
	s := c.options.Session
	if c.face == faceSSH || s.RequestTTY == "yes" {
		c.voice.say(levelInfo, "Pseudo-terminal will not be allocated because stdin is not a terminal.")
	}
	return false
}

// chooseTTY decides without a word; noTerminal is true when one was wanted and
// standard input is none.
func (c *sshCommand) chooseTTY() (tty, noTerminal bool) {
	s := c.options.Session
	shell := c.command() == "" && s.SessionType == "default"
	switch {
	case s.RequestTTY == "force":
		return true, false
	case s.RequestTTY == "no", s.RequestTTY != "yes" && !shell:
		return false, false
	case isTerminal(c.Stdin) && !s.StdinNull:
		return true, false
	}
	return false, true
}

// command is what runs on the target; "" is a shell.
func (c *sshCommand) command() string {
	if len(c.inv.Command) > 0 {
		return strings.Join(c.inv.Command, " ")
	}
	return c.options.Session.RemoteCommand
}

// what names the session for status.
func (c *sshCommand) what() string {
	switch {
	case c.inv.StdioForward != nil:
		return "stdio forward"
	case c.options.Session.SessionType == "none":
		return "hold"
	case c.options.Session.SessionType == "subsystem":
		return "subsystem"
	case c.command() != "":
		return "command"
	}
	return "shell"
}

func (c *sshCommand) sessionRequest(tty bool) *mux.SessionRequest {
	s := c.options.Session
	r := &mux.SessionRequest{
		TTY: tty, Subsystem: s.SessionType == "subsystem", EscapeChar: mux.NoEscapeChar,
		Agent: c.options.Forward.Agent != "" && c.options.Forward.Agent != "no",
		X11:   c.options.Forward.X11 && c.Getenv("DISPLAY") != "",
		Term:  c.Getenv("TERM"), Command: c.remoteCommand(tty), Env: c.sessionEnv(),
	}
	if tty && s.EscapeChar >= 0 {
		r.EscapeChar = uint32(s.EscapeChar)
	}
	return r
}

// sessionEnv is what SetEnv and SendEnv give to the far side.
func (c *sshCommand) sessionEnv() []string { return sessionEnv(c.Environ, c.options.Session) }

func sessionEnv(environ []string, s sshconfig.Session) []string {
	var env []string
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		for _, pattern := range s.SendEnv {
			if ok, err := path.Match(pattern, name); err == nil && ok {
				env = append(env, e)
				break
			}
		}
	}
	return append(env, s.SetEnv...) // the last one of a name wins
}

// isProcess tells the number of one process, which a master told us, from what
// kill(2) takes for a group or for every process there is: it has 32 bits.
func isProcess(pid int) bool { return pid > 1 && pid <= math.MaxInt32 }

// watchWindow relays changes of the terminal's size until it is stopped. A
// master in our own process has the signal already.
func (c *sshCommand) watchWindow(pid int) (stop func()) {
	if pid == os.Getpid() || !isProcess(pid) {
		return func() {}
	}
	changes := make(chan os.Signal, 1)
	done := make(chan struct{})
	notifyWindowChange(changes)
	go func() {
		for {
			select {
			case <-changes:
				relayWindowChange(pid)
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(changes); close(done) }
}
