//go:build !unix

package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sallyport/internal/daemon"
)

// errNoBackground is about -f and "~&".
var errNoBackground = fmt.Errorf("go into the background: on %s no process can leave its terminal: %w", runtime.GOOS, errors.ErrUnsupported)

// background is the child of -f, of which there is none here.
type background struct{}

func (a *App) newBackground() *background              { return nil }
func (a *App) runInBackground(string) (int, error)     { return 0, errNoBackground }
func (a *App) runWatched(context.Context) (int, error) { return 0, errNoBackground }
func (b *background) is(string) bool                   { return false }
func (b *background) detach(...int)                    {}
func (b *background) follow()                          {}
func (b *background) isAlone() bool                    { return false }
func detached() *syscall.SysProcAttr                   { return nil }
func closeOnExec()                                     {}
func relayWindowChange(int)                            {}
func notifyWindowChange(chan<- os.Signal)              {}
func notifySuspend(chan<- os.Signal)                   {}
func stopSelf()                                        {}

// socketPair returns why no session can be had: what a session runs on is
// handed over such a pair as descriptors.
func socketPair() (a, b *net.UnixConn, err error) { return nil, nil, daemon.Supported() }

// echoOff lets lines be typed unseen. restore may be called more than once.
func echoOff(tty *os.File) (restore func(), err error) {
	fd := int(tty.Fd())
	old, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	if err := hideInput(fd); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { _ = term.Restore(fd, old) }), nil
}

func (v *verbCommand) demo() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "see it work on an embedded network (not on " + runtime.GOOS + ")", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return v.failed(daemon.Supported()) },
	}
}
