package transfer

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

// Place is a path on a server, or here when Tree is nil.
type Place struct {
	Tree *Remote
	Path string
}

// Config says what to copy and how.
type Config struct {
	Sources []Place
	Target  Place
	// Recursive copies directories with what is in them.
	Recursive bool
	// Follow copies what symbolic links lead to; otherwise those inside of
	// trees are copied as links.
	Follow bool
	// Resume leaves alone what is there with the same size and time, and goes
	// on with what was cut off.
	Resume bool
	// Checksum compares checksums of both sides after each file.
	Checksum bool
	// Plain gives new files modes and times as if they were made there.
	Plain bool
	// InPlace writes into existing files, which keep owner, mode and links.
	InPlace bool
	// Workers is how many files are copied at once; 0 is a good number.
	Workers int
	// Observe is told every step, from several goroutines; it must be quick.
	Observe func(Event)
}

// defaultWorkers hides the round trips that each small file costs.
const defaultWorkers = 24

// leaveTime is how long an interrupted copy may take to remove what it leaves.
const leaveTime = 3 * time.Second

// Copy copies the sources to the target. What could not be copied is told as
// Failed events and counted; an error is returned for what ended the whole
// copy: a bad request, a full disk, a lost connection, or ctx. Partial files
// are left where going on with them is worth it.
func Copy(ctx context.Context, cfg Config) (Totals, error) {
	c := &copier{cfg: cfg, queue: newQueue()}
	ctx, c.abort = context.WithCancelCause(ctx)
	defer c.abort(nil)
	defer c.breakOff(ctx)()
	err := c.plan(ctx)
	if err == nil {
		err = c.run(ctx)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if c.root != nil {
		c.root.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.totals, err
}

// breakOff ends the sessions when an interrupted copy does not end by itself.
func (c *copier) breakOff(ctx context.Context) (stop func()) {
	var late *time.Timer
	var mu sync.Mutex
	end := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		late = time.AfterFunc(leaveTime, func() {
			for _, p := range append(c.cfg.Sources, c.cfg.Target) {
				if p.Tree != nil {
					p.Tree.far.SFTP.Abort()
				}
			}
		})
	})
	return func() {
		end()
		mu.Lock()
		defer mu.Unlock()
		if late != nil {
			late.Stop()
		}
	}
}

// copier is one call of Copy.
type copier struct {
	// config: not changed after plan
	cfg   Config
	to    target
	root  interface{ Close() error } // of a local target
	flow  *flow
	abort context.CancelCauseFunc
	queue *queue

	scanning atomic.Int64 // directories that are not listed yet
	parts    partLists

	// state: guarded by mu
	mu     sync.Mutex
	totals Totals
}

// task is one file, directory or link to be copied.
type task struct {
	from     source
	path     string // at from
	info     fs.FileInfo
	to       string // at the target
	parent   *directory
	above    []string // real paths of the directories that it is in, with Follow
	depth    int
	explicit bool // named on the command line
}

func (t *task) name() string { return t.from.label(t.path) }

// directory is one that is being filled. It gets its mode and times when
// nothing in it is left to do.
type directory struct {
	task *task
	left atomic.Int64
}

// run copies what is in the queue.
func (c *copier) run(ctx context.Context) error {
	workers := c.cfg.Workers
	if workers <= 0 {
		workers = defaultWorkers
	}
	stop := context.AfterFunc(ctx, c.queue.close)
	defer stop()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for t := c.queue.take(); t != nil; t = c.queue.take() {
				c.do(ctx, t)
				c.queue.done()
			}
		})
	}
	all.Wait()
	return nil
}

// do copies one thing.
func (c *copier) do(ctx context.Context, t *task) {
	var err error
	switch mode := t.info.Mode(); {
	case mode.IsDir():
		err = c.directory(ctx, t)
		c.scanned(1)
		if err == nil {
			return // finished with its last child
		}
	case mode&fs.ModeSymlink != 0:
		err = c.link(t)
	default:
		err = c.file(ctx, t)
	}
	if err != nil {
		c.fail(ctx, t, err)
	}
	c.finish(ctx, t.parent)
}

// scanned counts listed directories and tells when none is left.
func (c *copier) scanned(n int64) {
	if c.scanning.Add(-n) == 0 {
		c.tell(Event{Kind: Scanned})
	}
}

// fail tells that something was not copied, and ends everything when no more
// can be.
func (c *copier) fail(ctx context.Context, t *task, err error) {
	if ctx.Err() != nil {
		return // what ended ctx is told, once
	}
	c.tell(Event{Kind: Failed, Name: t.name(), To: c.to.label(t.to), Size: t.info.Size(), Err: err})
	if isLost(err) || errors.Is(err, ErrNoSpace) {
		c.abort(err)
	}
}

func (c *copier) tell(e Event) {
	c.mu.Lock()
	c.totals.add(e)
	c.mu.Unlock()
	if c.cfg.Observe != nil {
		c.cfg.Observe(e)
	}
}

// count counts something that is whole.
func (c *copier) count(t *task) {
	c.mu.Lock()
	switch mode := t.info.Mode(); {
	case mode.IsDir():
		c.totals.Dirs++
	case mode&fs.ModeSymlink != 0:
		c.totals.Links++
	default:
		c.totals.Files++
	}
	c.mu.Unlock()
	c.tell(Event{Kind: Done, Name: t.name(), To: c.to.label(t.to), Size: t.info.Size()})
}
