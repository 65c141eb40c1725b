package transfer

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// localChunk is how much of a local file is read or written at once.
const localChunk = 64 << 10

// local is this machine as a source: the user's own files, links followed as
// anywhere.
type local struct{}

func (local) stat(path string, follow bool) (fs.FileInfo, error) {
	if follow {
		return os.Stat(path)
	}
	return os.Lstat(path)
}

func (local) list(_ context.Context, dir string) ([]fs.FileInfo, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	infos := make([]fs.FileInfo, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone since
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func (local) readlink(path string) (string, error) { return os.Readlink(path) }

func (local) open(path string) (reader, error) {
	f, err := openSource(path)
	if err != nil {
		return nil, err
	}
	return localFile{f}, nil
}

func (local) sum(ctx context.Context, path string, n int64) (digest, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return digest{}, "", err
	}
	defer f.Close()
	d, err := sumOf(ctx, f, n, 1<<20)
	return d, "here", err
}

func (local) join(dir, name string) string { return filepath.Join(dir, name) }
func (local) label(path string) string     { return path }
func (local) chunk() int                   { return localChunk }

// localFile is an open local file.
type localFile struct{ *os.File }

func (f localFile) data(off, size int64) (int64, int64, error) { return nextData(f.File, off, size) }

// localDir is a directory of this machine as a target. Nothing is written
// outside of it, whatever links a server has put there.
type localDir struct {
	root *os.Root
	dir  string // for labels
	// names is held while names are made: many workers at it make the kernel
	// spin for a directory's lock and are slower than one.
	names *sync.Mutex
}

func (t localDir) stat(path string, follow bool) (fs.FileInfo, error) {
	if follow {
		return inside(t.root.Stat(path))
	}
	return inside(t.root.Lstat(path))
}

func (t localDir) list(_ context.Context, dir string) ([]fs.FileInfo, error) {
	f, err := inside(t.root.Open(dir))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdir(-1)
}

func (t localDir) mkdir(path string, private bool) error {
	mode := fs.FileMode(0o777)
	if private {
		mode = 0o700
	}
	return outside(t.root.Mkdir(path, mode))
}

func (t localDir) symlink(text, path string) error { return outside(t.root.Symlink(text, path)) }

func (t localDir) create(path string, private bool) (writer, error) {
	mode := fs.FileMode(0o666)
	if private {
		mode = 0o600
	}
	t.names.Lock()
	defer t.names.Unlock()
	return inside(t.root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode))
}

func (t localDir) reopen(path string, truncate bool) (writer, error) {
	flags := os.O_WRONLY
	if truncate {
		flags |= os.O_TRUNC
	}
	return inside(t.root.OpenFile(path, flags, 0))
}

func (t localDir) rename(from, to string) error {
	t.names.Lock()
	defer t.names.Unlock()
	return outside(t.root.Rename(from, to))
}

func (t localDir) remove(path string) error { return outside(t.root.Remove(path)) }

func (t localDir) chmod(path string, mode fs.FileMode) error {
	return outside(t.root.Chmod(path, mode))
}

func (t localDir) chtimes(path string, atime, mtime time.Time) error {
	return outside(t.root.Chtimes(path, atime, mtime))
}

func (t localDir) free(string) (uint64, bool) { return 0, false } // the system's own error says so

func (t localDir) sum(ctx context.Context, path string, n int64) (digest, string, error) {
	f, err := t.root.Open(path)
	if err != nil {
		return digest{}, "", outside(err)
	}
	defer f.Close()
	d, err := sumOf(ctx, f, n, 1<<20)
	return d, "here", err
}

func (t localDir) join(dir, name string) string { return filepath.Join(dir, name) }
func (t localDir) label(path string) string     { return filepath.Join(t.dir, path) }
func (t localDir) chunk() int                   { return localChunk }

// inside is outside for calls with a result.
func inside[T any](v T, err error) (T, error) { return v, outside(err) }

// outside words the error of a path that leads out of a root. The package os
// has no value for it.
func outside(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) && strings.Contains(path.Err.Error(), "escapes") {
		return errOutside
	}
	return err
}
