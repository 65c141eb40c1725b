package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"
)

// source is where files are read.
type source interface {
	stat(path string, follow bool) (fs.FileInfo, error)
	list(ctx context.Context, dir string) ([]fs.FileInfo, error)
	readlink(path string) (string, error)
	open(path string) (reader, error)
	summer
	join(dir, name string) string
	// label is how a command line names a path of it.
	label(path string) string
	// chunk is how much one request carries.
	chunk() int
}

// reader is an open file of a source.
type reader interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
	// data finds the next run of data at or after off; a hole that lasts to
	// the end is io.EOF.
	data(off, size int64) (start, end int64, err error)
}

// target is where files are written.
type target interface {
	stat(path string, follow bool) (fs.FileInfo, error)
	list(ctx context.Context, dir string) ([]fs.FileInfo, error)
	mkdir(path string, private bool) error
	symlink(text, path string) error
	// create makes a new file that nobody else may read.
	create(path string, private bool) (writer, error)
	// reopen opens an existing one; truncate empties it.
	reopen(path string, truncate bool) (writer, error)
	rename(from, to string) error
	remove(path string) error
	chmod(path string, mode fs.FileMode) error
	chtimes(path string, atime, mtime time.Time) error
	// free is how much there is room for in a directory; false if unknown.
	free(dir string) (uint64, bool)
	summer
	join(dir, name string) string
	label(path string) string
	chunk() int
}

// summer makes checksums.
type summer interface {
	// sum is the checksum of a file's first n bytes, and how it was made.
	sum(ctx context.Context, path string, n int64) (digest, string, error)
}

// writer is an open file of a target.
type writer interface {
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Chmod(mode fs.FileMode) error
}

type digest [sha256.Size]byte

// sumOf reads n bytes of r.
func sumOf(ctx context.Context, r io.ReaderAt, n int64, window int) (d digest, _ error) {
	h := sha256.New()
	if _, err := io.CopyBuffer(onlyWriter{h}, &ctxReader{ctx, io.NewSectionReader(r, 0, n)}, make([]byte, window)); err != nil {
		return d, err
	}
	h.Sum(d[:0])
	return d, nil
}

// onlyWriter hides what else a hash can do, so that the buffer is used.
type onlyWriter struct{ io.Writer }

// ctxReader ends with its context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

var (
	errBadName    = errors.New("the server lists a name that is none: refused")
	errTwice      = errors.New("the server lists this name twice: refused")
	errOutside    = errors.New("it leads out of the target directory through a symbolic link: refused")
	errChanged    = errors.New("it became shorter while it was read")
	errDifferent  = errors.New("the checksums differ")
	errNoShell    = errors.New("no command there makes sha256 checksums")
	errBadSize    = errors.New("the server gives a size below 0: refused")
	errTooDeep    = errors.New("directories are nested too deep")
	errLoop       = errors.New("the symbolic link leads to a directory that it is in")
	errIsDir      = errors.New("there is a directory of that name already")
	errNotDir     = errors.New("there is a file of that name already")
	errNeedsR     = errors.New("it is a directory; -r copies trees")
	errSame       = errors.New("it would be copied onto itself")
	errInside     = errors.New("a directory cannot be copied into itself")
	errNoTarget   = errors.New("several files need an existing directory to go to")
	errNothing    = errors.New("no file matches")
	errNotRegular = errors.New("it is no regular file")
)

// ErrNoSpace says that the target's disk is full.
var ErrNoSpace = errors.New("no space left")

// LostError says that a server's SFTP session has ended.
type LostError struct{ Host string }

func (e *LostError) Error() string { return e.Host + ": the connection was lost" }

// isLost recognises a LostError.
func isLost(err error) bool {
	_, ok := errors.AsType[*LostError](err)
	return ok
}

// checkName refuses names that a directory cannot hold: a server that lists
// them wants something written elsewhere.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return errBadName
	}
	return checkNative(name)
}
