//go:build unix

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"sallyport/internal/wake"
)

// DefaultIdleExit is how long a daemon without connections stays.
const DefaultIdleExit = 10 * time.Minute

// Instance is the daemon of a runtime directory.
type Instance struct {
	dir      Dir
	lock     *lock
	listener *net.UnixListener
	logFile  *logFile
	server   *Server
	idleExit time.Duration
}

// Listen makes this process the daemon of dir. The error is ErrRunning when
// there is one already.
func Listen(dir Dir, version string, idleExit time.Duration) (*Instance, error) {
	if err := dir.Make(); err != nil {
		return nil, err
	}
	held, err := dir.takeLock()
	if err != nil {
		return nil, err
	}
	i := &Instance{dir: dir, lock: held, idleExit: idleExit}
	if i.logFile, err = openLog(dir.LogFile(), maxLogFile, keepLastWords); err == nil {
		i.listener, err = listenSocket(dir.Socket())
	}
	if err != nil {
		i.close()
		return nil, err
	}
	i.server = New(Config{Version: version, Socket: dir.Socket(), LogFile: i.logFile, PinFile: dir.PinFile()})
	i.server.pins.restore()
	return i, nil
}

// keepLastWords has a crash written to the log: a daemon has nowhere else to
// say what it died of.
func keepLastWords(log *os.File) { _ = debug.SetCrashOutput(log, debug.CrashOptions{}) }

// takeLock takes the lock of the one instance. A daemon that is ending has
// closed its socket and still holds the lock: it is waited for.
func (d Dir) takeLock() (*lock, error) {
	for deadline := time.Now().Add(endingWait); ; {
		held, err := tryLock(filepath.Join(string(d), lockName))
		if !errors.Is(err, ErrRunning) || time.Now().After(deadline) {
			return held, err
		}
		if conn, dialErr := net.Dial("unix", d.Socket()); dialErr == nil {
			conn.Close()
			return nil, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// endingWait is how long a daemon that is ending is waited for.
const endingWait = 8 * time.Second

// listenSocket replaces whatever a dead daemon left at path: the lock says
// that no live one listens there.
func listenSocket(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove stale socket: %w", err)
	}
	old := syscall.Umask(0o177) // the directory is 0700 already
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l.SetUnlinkOnClose(false)
	return l, nil
}

// Run serves until ctx ends, a client or a signal asks for the end, the
// daemon has been idle long enough, or its directory is no longer its own.
func (i *Instance) Run(ctx context.Context) error {
	defer i.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		i.accept()
	}()
	var watching sync.WaitGroup
	watching.Go(func() {
		wake.Watch(ctx, wake.Config{Changed: i.server.pathsChanged, Log: i.server.log})
	})
	i.server.log.Info("daemon started", "pid", os.Getpid())
	reason := i.wait(ctx, signals)
	i.server.log.Info("daemon ending", "err", reason)
	i.listener.Close()
	<-accepted
	i.server.Close()
	cancel()
	watching.Wait()
	return nil
}

// wait returns why the daemon should end.
func (i *Instance) wait(ctx context.Context, signals <-chan os.Signal) string {
	every := time.NewTicker(min(i.idleExit/4, 15*time.Second))
	defer every.Stop()
	lastBusy := time.Now()
	for {
		select {
		case <-ctx.Done():
			return "context"
		case <-i.server.Quit():
			return "asked to"
		case s := <-signals:
			switch s {
			case syscall.SIGWINCH:
				i.server.Resize()
			case syscall.SIGHUP: // the terminal that started us has gone
			default:
				return s.String()
			}
		case <-every.C:
			if i.server.busy() {
				lastBusy = time.Now()
			}
			switch {
			case time.Since(lastBusy) >= i.idleExit:
				return "idle"
			case !i.lock.still(filepath.Join(string(i.dir), lockName)):
				return "the runtime directory is gone"
			}
		}
	}
}

// accept hands connections to the server until the listener is closed.
func (i *Instance) accept() {
	for {
		conn, err := i.listener.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			i.server.log.Error("accept", "err", err)
			time.Sleep(100 * time.Millisecond) // out of descriptors: let some go
			continue
		}
		i.server.Serve(conn)
	}
}

// close removes the socket, if it is ours, and gives up the lock.
func (i *Instance) close() {
	if i.listener != nil {
		i.listener.Close()
		if i.lock.still(filepath.Join(string(i.dir), lockName)) {
			_ = os.Remove(i.dir.Socket())
		}
	}
	if i.logFile != nil {
		_ = debug.SetCrashOutput(nil, debug.CrashOptions{}) // it has a copy of the file
		i.logFile.Close()
	}
	i.lock.release()
}
