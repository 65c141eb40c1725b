//go:build !unix

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"
)

// DefaultIdleExit is how long a daemon without connections stays.
const DefaultIdleExit = 10 * time.Minute

// maxLogFile is the size at which a log file is begun anew.
const maxLogFile = 1 << 20

// ErrRunning says that another daemon has the runtime directory.
var ErrRunning = errors.New("a daemon is already running")

// Instance is the daemon of a runtime directory; there is none here: a terminal
// is handed to it as a descriptor over a Unix socket, and it must know whose
// process is at the other end.
type Instance struct{}

// Listen returns an error that wraps errors.ErrUnsupported.
func Listen(Dir, string, time.Duration) (*Instance, error) { return nil, Supported() }

// Run returns an error that wraps errors.ErrUnsupported.
func (*Instance) Run(context.Context) error { return Supported() }

// StartLock returns an error that wraps errors.ErrUnsupported.
func (Dir) StartLock(context.Context) (release func(), err error) { return nil, Supported() }

// Supported tells whether this system can have the daemon, and says what to do
// where it cannot.
func Supported() error {
	return fmt.Errorf("the daemon, which keeps the connections, does not run on %s (add, edit, ls, show, test, doctor and \"ssh -G\" do): %w",
		runtime.GOOS, errors.ErrUnsupported)
}

// suspend does nothing: there is no such signal.
func suspend(int) {}

// shutdownWrite does nothing: no socket can be passed to us.
func shutdownWrite(*os.File) {}

// ownerOf cannot tell.
func ownerOf(fs.FileInfo) (int, bool) { return 0, false }
