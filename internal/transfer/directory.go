package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// deepest bounds how far down a tree may go: a server can invent any depth.
const deepest = 512

// directory makes one at the target and puts what is in it into the queue.
func (c *copier) directory(ctx context.Context, t *task) error {
	if t.depth > deepest {
		return errTooDeep
	}
	above, err := c.noLoop(t)
	if err != nil {
		return err
	}
	infos, err := t.from.list(ctx, t.path)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if err := c.makeDirectory(t); err != nil {
		return err
	}
	d := &directory{task: t}
	dirs, files := c.children(ctx, t, d, above, infos)
	d.left.Store(int64(len(dirs) + len(files)))
	c.scanning.Add(int64(len(dirs)))
	c.announce(files)
	if len(dirs)+len(files) == 0 {
		c.filled(ctx, d)
		return nil
	}
	c.queue.add(dirs, files)
	return nil
}

// makeDirectory makes a directory at the target unless there is one.
func (c *copier) makeDirectory(t *task) error {
	if t.explicit && t.to == c.cfg.Target.Path || t.to == "." {
		if info, err := c.to.stat(t.to, true); err == nil && info.IsDir() {
			return nil
		}
	}
	err := c.to.mkdir(t.to, isPrivate(t.info))
	if err == nil {
		return nil
	}
	info, serr := c.to.stat(t.to, true)
	switch {
	case errors.Is(serr, errOutside):
		return serr
	case serr != nil:
		return fmt.Errorf("make directory: %w", err)
	case !info.IsDir():
		return errNotDir
	}
	if info.Mode().Perm()&0o300 != 0o300 && !c.cfg.Plain { // we fill it, and then it is as the source
		return c.to.chmod(t.to, info.Mode().Perm()|0o700)
	}
	return nil
}

// children makes tasks of a listing. Names that a directory cannot hold, or
// twice, are a server's attempt to have something written elsewhere.
func (c *copier) children(ctx context.Context, t *task, d *directory, above []string, infos []fs.FileInfo) (dirs, files []*task) {
	seen := make(map[string]bool, len(infos))
	for _, info := range infos {
		name := info.Name()
		child := &task{from: t.from, path: t.from.join(t.path, name), info: info,
			to: c.to.join(t.to, name), parent: d, above: above, depth: t.depth + 1}
		err := checkName(name)
		if err == nil && seen[name] {
			err = errTwice
		}
		seen[name] = true
		if err == nil && info.Size() < 0 {
			err = errBadSize
		}
		if err == nil && c.cfg.Follow && info.Mode()&fs.ModeSymlink != 0 {
			child.info, err = t.from.stat(child.path, true)
		}
		switch {
		case err != nil:
			if child.info == nil {
				child.info = noInfo{}
			}
			c.fail(ctx, child, err)
		case child.info.IsDir():
			dirs = append(dirs, child)
		case isPart(name):
		default:
			files = append(files, child)
		}
	}
	return dirs, files
}

// announce tells of files to come.
func (c *copier) announce(files []*task) {
	for _, t := range files {
		if t.info.Mode().IsRegular() {
			c.tell(Event{Kind: Found, Name: t.name(), Size: t.info.Size()})
		}
	}
}

// noLoop follows links into directories no further than to one that they are
// in. It returns the directories above those in this one.
func (c *copier) noLoop(t *task) ([]string, error) {
	if !c.cfg.Follow {
		return nil, nil
	}
	real, err := realPath(t.from, t.path)
	if err != nil {
		return nil, err
	}
	if slices.Contains(t.above, real) {
		return nil, errLoop
	}
	return append(slices.Clip(t.above), real), nil
}

func realPath(from source, path string) (string, error) {
	if r, ok := from.(*Remote); ok {
		return r.real(path)
	}
	return filepath.EvalSymlinks(path)
}

// finish takes something off the directory it is in.
func (c *copier) finish(ctx context.Context, d *directory) {
	if d != nil && d.left.Add(-1) == 0 {
		c.filled(ctx, d)
	}
}

// filled gives a directory its mode and times, now that nothing more is
// written into it.
func (c *copier) filled(ctx context.Context, d *directory) {
	t := d.task
	if err := c.dress(t, t.to); err != nil {
		c.fail(ctx, t, err)
	} else {
		c.count(t)
	}
	c.finish(ctx, t.parent)
}

// dress gives what is at path the source's mode and times.
func (c *copier) dress(t *task, path string) error {
	if c.cfg.Plain {
		return nil
	}
	if err := c.to.chmod(path, t.info.Mode().Perm()); err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	return c.stamp(t, path)
}

// stamp gives what is at path the source's times.
func (c *copier) stamp(t *task, path string) error {
	if err := c.to.chtimes(path, accessTime(t.info), t.info.ModTime()); err != nil {
		return fmt.Errorf("set times: %w", err)
	}
	return nil
}
