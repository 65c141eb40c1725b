package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of a runtime directory.
const (
	socketName = "api.sock"
	lockName   = "lock"
	startName  = "start.lock"
	logName    = "daemon.log"
	pinName    = "forwards.json"
)

// Dir is a runtime directory: 0700, ours, holding the daemon's socket, lock
// and log.
type Dir string

// DefaultDir is where the runtime directory of the user is: in
// $XDG_RUNTIME_DIR, else a short one under the home directory's .ssh.
func DefaultDir(runtimeDir, home string) Dir {
	if filepath.IsAbs(runtimeDir) {
		return Dir(filepath.Join(runtimeDir, "sally"))
	}
	return Dir(filepath.Join(home, ".ssh", "sally.run"))
}

// Socket is the path of the daemon's socket.
func (d Dir) Socket() string { return filepath.Join(string(d), socketName) }

// LogFile is the path of the daemon's log.
func (d Dir) LogFile() string { return filepath.Join(string(d), logName) }

// PinFile is the path of the file that holds the pinned forwards for a daemon
// that follows one that has died.
func (d Dir) PinFile() string { return filepath.Join(string(d), pinName) }

// ErrUnsafeDir is wrapped by errors about a runtime directory that is not
// ours alone.
var ErrUnsafeDir = errors.New("unsafe runtime directory")

// ErrUnsafeFile is wrapped by errors about a file in it that is not ours alone.
var ErrUnsafeFile = errors.New("unsafe file")

// Make creates the directory if it is missing, and checks it.
func (d Dir) Make() error {
	if err := os.MkdirAll(filepath.Dir(string(d)), 0o700); err != nil {
		return fmt.Errorf("make runtime directory: %w", err)
	}
	if err := d.checkParent(); err != nil {
		return err
	}
	if err := os.Mkdir(string(d), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make runtime directory: %w", err)
	}
	return d.Check()
}

// Check refuses a directory that is a link, somebody else's, or open to
// others: whoever can write there could put a socket of his own in place of
// the daemon's. The error wraps ErrUnsafeDir, or fs.ErrNotExist.
func (d Dir) Check() error {
	info, err := os.Lstat(string(d))
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%w %s: it is not a directory", ErrUnsafeDir, d)
	}
	if uid, known := ownerOf(info); known && uid != os.Geteuid() {
		return fmt.Errorf("%w %s: it belongs to user %d, not to you (%d)", ErrUnsafeDir, d, uid, os.Geteuid())
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w %s: its mode is %04o, others may enter; \"chmod 700 %s\" if nobody else could have used it", ErrUnsafeDir, d, mode, d)
	}
	return d.checkParent()
}

// checkParent refuses a place where somebody else could move the directory
// away, between our look at it and our use of it, and put his own there: a
// directory that is neither ours nor root's, or that all may write to without
// being held to their own entries (sticky, as /tmp is).
func (d Dir) checkParent() error {
	parent := filepath.Dir(string(d))
	info, err := os.Stat(parent)
	if err != nil {
		return err
	}
	if uid, known := ownerOf(info); known && uid != os.Geteuid() && uid != 0 {
		return fmt.Errorf("%w %s: %s belongs to user %d, who could replace it", ErrUnsafeDir, d, parent, uid)
	}
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("%w %s: everybody may write to %s and replace it", ErrUnsafeDir, d, parent)
	}
	return nil
}
