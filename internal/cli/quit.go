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
// understand the request, but the signal.
func (a *App) quitDaemon(ctx context.Context) error {
	conn, err := a.dialDaemon(ctx)
	if errors.Is(err, errNoDaemon) {
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = api.Do(ctx, conn, &api.Request{Op: api.OpQuit}, nil)
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeVersion {
		return err
	}
	return a.terminateDaemon(ctx, daemonPID(conn), err)
}

// terminateDaemon ends a daemon by a signal and waits until its socket is
// gone; why is the error when that is not possible.
func (a *App) terminateDaemon(ctx context.Context, pid int, why error) error {
	if pid <= 0 {
		return why
	}
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Signal(syscall.SIGTERM)
	}
	if err != nil {
		return fmt.Errorf("%w; end process %d: %w", why, pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for ctx.Err() == nil {
		conn, err := a.dialDaemon(ctx)
		if err != nil {
			return nil
		}
		conn.Close()
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%w; process %d does not end", why, pid)
}
