package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
)

func (v *verbCommand) quit() *cobra.Command {
	return &cobra.Command{
		Use: "quit", Short: "end the daemon and with it every connection", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.failed(v.quitDaemon(cmd.Context()))
		},
	}
}

// quitDaemon ends the daemon, if there is one. One of another version does not
// understand the request, and one that is frozen does not hear it: those get a
// signal.
func (a *App) quitDaemon(ctx context.Context) error {
	conn, err := a.dialDaemon(ctx)
	if errors.Is(err, errNoDaemon) {
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	err = a.watched(ctx, conn, func(ctx context.Context) error {
		_, err := api.Do(ctx, conn, &api.Request{Op: api.OpQuit}, nil)
		return err
	})
	var e *api.Error
	switch {
	case errors.Is(err, api.ErrDaemonGone):
		return nil
	case errors.As(err, &e) && e.Code == api.CodeVersion, errors.As(err, new(frozenError)):
		return a.terminateDaemon(ctx, daemonPID(conn), err)
	}
	return err
}

// terminateDaemon ends a daemon by a signal, by force if need be; why is the
// error when that is not possible.
func (a *App) terminateDaemon(ctx context.Context, pid int, why error) error {
	if pid <= 0 {
		return why
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("%w; end process %d: %w", why, pid, err)
	}
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Kill} {
		err := process.Signal(signal)
		if errors.Is(err, os.ErrProcessDone) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w; end process %d: %w", why, pid, err)
		}
		if a.awaitEnd(ctx, pid) {
			return nil
		}
	}
	return fmt.Errorf("%w; process %d does not end", why, pid)
}

// awaitEnd waits until a daemon is no longer there: its socket is gone, or
// another one's.
func (a *App) awaitEnd(ctx context.Context, pid int) bool {
	ctx, cancel := context.WithTimeout(ctx, startTimeout/2)
	defer cancel()
	for {
		conn, err := a.dialDaemon(ctx)
		if errors.Is(err, errNoDaemon) {
			return true
		}
		if err == nil { // else the time was over, or the queue of a frozen one is full
			now := daemonPID(conn)
			conn.Close()
			if now > 0 && now != pid {
				return true
			}
		}
		if !pass(ctx, 10*time.Millisecond) {
			return false
		}
	}
}
