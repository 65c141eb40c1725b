package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sallyport/internal/api"
	"sallyport/internal/daemon"
)

// startTimeout bounds the wait for a new daemon.
const startTimeout = 10 * time.Second

// runtimeDir is where the user's daemon is.
func (a *App) runtimeDir() (daemon.Dir, error) {
	if a.Dir != "" {
		return a.Dir, nil
	}
	if d := a.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(d) {
		return daemon.DefaultDir(d, ""), nil
	}
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("find home directory: %w", err)
	}
	return daemon.DefaultDir("", u.HomeDir), nil
}

// errNoDaemon says that no daemon runs.
var errNoDaemon = errors.New("no daemon is running")

// dialDaemon connects to the daemon, or returns errNoDaemon.
func (a *App) dialDaemon(ctx context.Context) (*net.UnixConn, error) {
	dir, err := a.runtimeDir()
	if err != nil {
		return nil, err
	}
	conn, err := dir.Dial(ctx)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, errNoDaemon
	}
	return conn, err
}

// needDaemon connects to the daemon and starts it when there is none. Many
// commands at once start one.
func (a *App) needDaemon(ctx context.Context) (*net.UnixConn, error) {
	conn, err := a.dialDaemon(ctx)
	if !errors.Is(err, errNoDaemon) {
		return conn, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dir, err := a.runtimeDir()
	if err != nil {
		return nil, err
	}
	if err := dir.Make(); err != nil {
		return nil, err
	}
	release, err := dir.StartLock(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if conn, err = a.dialDaemon(ctx); !errors.Is(err, errNoDaemon) {
		return conn, err
	}
	if err := a.startDaemon(ctx, dir); err != nil {
		return nil, err
	}
	return a.dialDaemon(ctx)
}

// startDaemon starts this program as the daemon: in a session of its own,
// without any descriptor of ours, in the root directory. It returns when the
// daemon listens.
func (a *App) startDaemon(ctx context.Context, dir daemon.Dir) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	closeOnExec()
	ready, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	defer ready.Close()
	cmd := exec.Command(self, "daemon", "--dir", string(dir), "--ready-fd", "3")
	cmd.Dir = "/"
	cmd.Env = daemonEnv(a.Environ)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = detached()
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	defer context.AfterFunc(ctx, func() { ready.SetReadDeadline(time.Unix(1, 0)) })()
	said, err := io.ReadAll(io.LimitReader(ready, 4096))
	switch text := strings.TrimSpace(string(said)); {
	case text == "ready":
		return cmd.Process.Release()
	case err != nil:
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return fmt.Errorf("start the daemon: it did not get ready: %w", err)
	default:
		_ = cmd.Wait()
		return fmt.Errorf("start the daemon: %s", text)
	}
}

// daemonEnv is what the daemon inherits. All that belongs to one terminal or
// one login, such as the agent, travels with each request instead.
func daemonEnv(environ []string) []string {
	keep := map[string]bool{
		"HOME": true, "USER": true, "LOGNAME": true, "SHELL": true, "PATH": true, "TZ": true, "LANG": true,
		"TMPDIR": true, "XDG_RUNTIME_DIR": true, "GODEBUG": true, "GOCOVERDIR": true, "GOTRACEBACK": true, "GORACE": true,
	}
	var env []string
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if keep[name] || strings.HasPrefix(name, "LC_") {
			env = append(env, e)
		}
	}
	return env
}

// privateDaemon runs the daemon's code in this process and connects to it: for
// a connection of its own. The returned function ends it; when others ride on
// it through a control socket, only after them.
func (c *sshCommand) privateDaemon(ctx context.Context) (*net.UnixConn, func(), error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, nil, err
	}
	daemon.EaseCollector()
	daemon.EaseScheduler()
	server := daemon.New(daemon.Config{Version: c.Version, Private: true, Tell: c.tell, Say: c.voice.complain, Louder: c.voice.louder, Through: c.through,
		Background: c.leaves()})
	server.Serve(theirs)
	winch := make(chan os.Signal, 1)
	notifyWindowChange(winch)
	go func() {
		for range winch {
			server.Resize()
		}
	}()
	return ours, func() {
		ours.Close()
		if c.options.Control.Path != "" {
			server.AwaitIdle(ctx)
		}
		if c.left.Load() {
			c.watched.detach()
			server.AwaitBackground()
		}
		signal.Stop(winch)
		close(winch)
		server.Close()
	}, nil
}

// leaves is what a private server calls for "~&", nil where that cannot be.
func (c *sshCommand) leaves() func() {
	if c.watched == nil {
		return nil
	}
	return func() { c.left.Store(true) }
}

// tell shows what a private server says, as the daemon's notices are shown.
func (c *sshCommand) tell(n daemon.Notice) {
	c.voice.Tell(api.Notice{Hop: n.Hop, Kind: string(n.Kind), Text: n.Text})
}
