package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// plan finds out what goes where, and puts it into the queue.
func (c *copier) plan(ctx context.Context) error {
	size := largeChunk
	for _, p := range append(c.cfg.Sources, c.cfg.Target) {
		if p.Tree != nil {
			size = min(size, p.Tree.chunk())
		}
	}
	c.flow = newFlow(size)
	var found []Place
	for _, p := range c.cfg.Sources {
		more, err := expand(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", label(p), err)
		}
		found = append(found, more...)
	}
	base, single, err := c.openTarget(len(found) > 1)
	if err != nil {
		return err
	}
	var dirs, files []*task
	for _, p := range found {
		t, err := c.top(p, base, single)
		if err != nil {
			failed := &task{from: sourceOf(p), path: p.Path, info: noInfo{}, to: base}
			c.fail(ctx, failed, err)
			continue
		}
		if t.info.IsDir() {
			dirs = append(dirs, t)
		} else {
			files = append(files, t)
		}
	}
	c.scanning.Store(int64(len(dirs)))
	c.announce(files)
	if len(dirs) == 0 {
		c.tell(Event{Kind: Scanned})
	}
	c.queue.add(dirs, files)
	return nil
}

func sourceOf(p Place) source {
	if p.Tree != nil {
		return p.Tree
	}
	return local{}
}

func label(p Place) string { return sourceOf(p).label(p.Path) }

// openTarget opens where all goes. base is the directory, or, when single is
// true, the name that the one source gets.
func (c *copier) openTarget(several bool) (base string, single bool, err error) {
	p := c.cfg.Target
	stat := os.Stat
	if p.Tree != nil {
		stat = func(path string) (fs.FileInfo, error) { return p.Tree.stat(path, true) }
	}
	info, err := stat(p.Path)
	switch {
	case err == nil && info.IsDir():
	case err == nil, errors.Is(err, fs.ErrNotExist):
		if several {
			return "", false, fmt.Errorf("%s: %w", label(p), errNoTarget)
		}
		single = true
	default:
		return "", false, fmt.Errorf("%s: %w", label(p), err)
	}
	if p.Tree != nil {
		c.to = p.Tree
		return p.Tree.behindLink(p.Path, err == nil && single), single, nil
	}
	dir, name := p.Path, "."
	if single {
		dir, name = splitLocal(p.Path)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", false, fmt.Errorf("%s: %w", label(p), err)
	}
	c.to, c.root = localDir{root: root, dir: dir, names: new(sync.Mutex)}, root
	return name, single, nil
}

// behindLink is where a link to an existing file leads: the file is what is
// replaced.
func (r *Remote) behindLink(path string, exists bool) string {
	if !exists {
		return path
	}
	info, err := r.stat(path, false)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path
	}
	if real, err := r.real(path); err == nil {
		return real
	}
	return path
}

// splitLocal divides a local path into a directory and a name in it. A link to
// a file stands for the file.
func splitLocal(p string) (dir, name string) {
	if real, err := filepath.EvalSymlinks(p); err == nil {
		p = real
	}
	p = filepath.Clean(p)
	return filepath.Dir(p), filepath.Base(p)
}

// top makes the task for a source of the command line: what a link there leads
// to is copied.
func (c *copier) top(p Place, base string, single bool) (*task, error) {
	from := sourceOf(p)
	info, err := from.stat(p.Path, true)
	if err != nil {
		return nil, err
	}
	t := &task{from: from, path: p.Path, info: info, to: base, explicit: true}
	if info.IsDir() && !c.cfg.Recursive {
		return nil, errNeedsR
	}
	if !single {
		name := lastName(p)
		switch {
		case name == "" && info.IsDir():
		case checkName(name) != nil:
			return nil, checkName(name)
		default:
			t.to = c.to.join(base, name)
		}
	} else if !info.IsDir() && strings.HasSuffix(c.cfg.Target.Path, "/") {
		return nil, fmt.Errorf("%s: %w", label(c.cfg.Target), errors.New("no such directory"))
	}
	return t, c.checkOverlap(p, t)
}

// lastName is what a source is called at the target; "" for a path like "."
// whose content goes into the target itself.
func lastName(p Place) string {
	base := path.Base(p.Path)
	if p.Tree == nil {
		base = filepath.Base(p.Path)
	}
	if base == "." || base == ".." || base == "/" || base == string(filepath.Separator) {
		return ""
	}
	return base
}

// checkOverlap refuses to copy something onto or into itself on one server.
func (c *copier) checkOverlap(p Place, t *task) error {
	if p.Tree == nil || p.Tree != c.cfg.Target.Tree {
		return nil
	}
	from, err := p.Tree.real(p.Path)
	if err != nil {
		return err
	}
	to, err := p.Tree.real(t.to)
	if err != nil { // some servers have none for what is not there
		return nil
	}
	switch {
	case from == to:
		return errSame
	case t.info.IsDir() && strings.HasPrefix(to, strings.TrimSuffix(from, "/")+"/"):
		return errInside
	}
	return nil
}

// noInfo stands for a source that could not be looked at.
type noInfo struct{ fs.FileInfo }

func (noInfo) Size() int64       { return 0 }
func (noInfo) Mode() fs.FileMode { return 0 }
func (noInfo) IsDir() bool       { return false }

// expand finds what a pattern on a server means; the local shell has done so
// here. What exists under the very name is not a pattern.
func expand(ctx context.Context, p Place) ([]Place, error) {
	if p.Tree == nil || !strings.ContainsAny(p.Path, "*?[") {
		return []Place{p}, nil
	}
	if _, err := p.Tree.stat(p.Path, false); err == nil {
		return []Place{p}, nil
	}
	paths, err := p.Tree.glob(ctx, p.Path)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, errNothing
	}
	var found []Place
	for _, name := range paths {
		found = append(found, Place{p.Tree, name})
	}
	return found, nil
}

// glob lists the paths that match a pattern, each of whose parts is matched
// with the names that are really there.
func (r *Remote) glob(ctx context.Context, pattern string) ([]string, error) {
	dir, part := path.Split(pattern)
	dirs := []string{path.Clean(dir)}
	if dir == "" {
		dirs[0] = "."
	}
	if strings.ContainsAny(dir, "*?[") {
		var err error
		if dirs, err = r.glob(ctx, path.Clean(dir)); err != nil {
			return nil, err
		}
	}
	if _, err := path.Match(part, ""); err != nil {
		return nil, err
	}
	var found []string
	for _, d := range dirs {
		infos, err := r.list(ctx, d)
		if isLost(err) || ctx.Err() != nil {
			return nil, err
		}
		for _, info := range infos {
			name := info.Name()
			hidden := strings.HasPrefix(name, ".") && !strings.HasPrefix(part, ".")
			if ok, _ := path.Match(part, name); ok && !hidden && checkName(name) == nil {
				found = append(found, r.join(d, name))
			}
		}
	}
	return found, nil
}
