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
	listener *listener
	logFile  *logFile
	server   *Server
	idleExit time.Duration
	unable   bool // to make the socket again; wait's
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
		i.listener, err = newListener(dir.Socket())
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
// closed its socket and still holds the lock: it is waited for, as is one whose
// socket was removed and that makes it again. ErrRunning is one that listens.
func (d Dir) takeLock() (*lock, error) {
	for deadline := time.Now().Add(endingWait); ; {
		held, err := tryLock(filepath.Join(string(d), lockName))
		switch {
		case !errors.Is(err, ErrRunning):
			return held, err
		case time.Now().After(deadline):
			return nil, fmt.Errorf("a daemon is running and not listening at %s", d.Socket())
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
	i.listener.close()
	<-accepted
	i.server.Close()
	cancel()
	watching.Wait()
	return nil
}

// wait returns why the daemon should end.
func (i *Instance) wait(ctx context.Context, signals <-chan os.Signal) string {
	every := time.NewTicker(min(i.idleExit/4, controlPoll))
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
			i.restoreSocket()
		}
	}
}

// restoreSocket makes the socket again when somebody has removed it.
func (i *Instance) restoreSocket() {
	missing, err := i.listener.restore()
	told := i.unable
	i.unable = err != nil
	switch {
	case err != nil && !told:
		i.server.log.Error("socket removed", "err", err)
	case missing && err == nil:
		i.server.log.Warn("socket removed, made again")
	}
}

// accept hands connections to the server until the listener is closed.
func (i *Instance) accept() {
	for {
		conn, err := i.listener.accept()
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
		i.listener.close()
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
