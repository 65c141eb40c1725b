package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pkg/sftp"
)

// startTimeout bounds the wait for a server's first word.
const startTimeout = 30 * time.Second

// How much a request carries: every server takes 32 kB; one that announces its
// limits (OpenSSH's) takes more.
const (
	smallChunk = 32 << 10
	largeChunk = 64 << 10
)

// Session is one run of a subsystem or a command at the far end.
type Session interface {
	io.Reader
	io.WriteCloser
	// Abort ends it at once: reads and writes under way return.
	Abort()
}

// Far is what reaches one server.
type Far struct {
	// Host is how the user calls it.
	Host string
	// SFTP is a session of the SFTP subsystem. It ends with the Remote.
	SFTP Session
	// Shell starts a command there; nil if none can be.
	Shell func(ctx context.Context, command string) (Session, error)
}

// Remote is one server's file system.
type Remote struct {
	// config: not changed after NewRemote
	far    Far
	client *sftp.Client
	size   int // of a chunk
	posix  bool
	shell  *shell

	closing sync.Once
}

// NewRemote begins to speak SFTP on a session, which is the Remote's from then
// on, but the caller's when this fails.
func NewRemote(ctx context.Context, far Far) (*Remote, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("no answer within %v", startTimeout))
	defer cancel()
	stop := context.AfterFunc(ctx, far.SFTP.Abort)
	first := &opening{Reader: far.SFTP}
	client, err := sftp.NewClientPipe(bufio.NewReaderSize(first, largeChunk), newGather(far.SFTP))
	if !stop() && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		late := time.AfterFunc(time.Second, far.SFTP.Abort)
		defer late.Stop()
		if text := first.text(); text != "" {
			err = fmt.Errorf("the server answers %q, which is not SFTP: a start-up file or a forced command prints it", text)
		}
		return nil, fmt.Errorf("start SFTP: %w", err)
	}
	r := &Remote{far: far, client: client, size: smallChunk}
	if _, ok := client.HasExtension("limits@openssh.com"); ok {
		r.size = largeChunk
		_ = sftp.MaxPacketUnchecked(largeChunk)(client)
	}
	_, r.posix = client.HasExtension("posix-rename@openssh.com")
	r.shell = &shell{start: far.Shell}
	return r, nil
}

// opening keeps the first bytes that are read, in case they are no SFTP.
type opening struct {
	io.Reader
	kept []byte
	done bool
}

// openingLength is more than a server's first packet has without extensions.
const openingLength = 80

func (o *opening) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	if !o.done {
		o.kept = append(o.kept, p[:min(n, openingLength-len(o.kept))]...)
		o.done = len(o.kept) == openingLength
	}
	return n, err
}

// text is what comes, if it looks like text and not like a packet, whose
// length begins with a zero byte.
func (o *opening) text() string {
	if len(o.kept) == 0 || o.kept[0] == 0 {
		return ""
	}
	for p := make([]byte, openingLength); !o.done; {
		if _, err := o.Read(p); err != nil {
			break
		}
	}
	return strings.TrimSpace(string(o.kept))
}

// List lists a directory for whoever chooses a path; "" is where a session
// begins. Names that a directory cannot hold are left out.
func (r *Remote) List(ctx context.Context, dir string) ([]fs.FileInfo, error) {
	if dir == "" {
		dir = "."
	}
	if rest, ok := strings.CutPrefix(dir, "~/"); ok {
		dir = "./" + rest
	}
	infos, err := r.list(ctx, dir)
	return slices.DeleteFunc(infos, func(i fs.FileInfo) bool { return checkName(i.Name()) != nil }), err
}

// Close ends the session.
func (r *Remote) Close() error {
	r.closing.Do(func() {
		r.shell.close()
		r.far.SFTP.Abort()
		_ = r.client.Close()
	})
	return nil
}

func (r *Remote) stat(path string, follow bool) (fs.FileInfo, error) {
	if follow {
		return r.info(r.client.Stat(path))
	}
	return r.info(r.client.Lstat(path))
}

func (r *Remote) info(info fs.FileInfo, err error) (fs.FileInfo, error) {
	if err == nil && info.Size() < 0 {
		err = errBadSize
	}
	return info, r.reason(err)
}

func (r *Remote) list(ctx context.Context, dir string) ([]fs.FileInfo, error) {
	infos, err := r.client.ReadDirContext(ctx, dir)
	return infos, r.reason(err)
}

func (r *Remote) readlink(path string) (string, error) {
	text, err := r.client.ReadLink(path)
	return text, r.reason(err)
}

func (r *Remote) open(path string) (reader, error) {
	f, err := r.client.OpenFile(path, os.O_RDONLY)
	if err != nil {
		return nil, r.reason(err)
	}
	return remoteFile{r, f}, nil
}

func (r *Remote) mkdir(path string, private bool) error {
	err := r.reason(r.client.Mkdir(path))
	if err == nil && private {
		err = r.chmod(path, 0o700)
	}
	return err
}

func (r *Remote) symlink(text, path string) error { return r.reason(r.client.Symlink(text, path)) }

// create cannot give a mode with the request, so that a private file is made
// so before anything is in it.
func (r *Remote) create(path string, private bool) (writer, error) {
	f, err := r.client.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, r.reason(err)
	}
	if private {
		if err := f.Chmod(0o600); err != nil {
			f.Close()
			_ = r.client.Remove(path)
			return nil, r.reason(err)
		}
	}
	return remoteFile{r, f}, nil
}

func (r *Remote) reopen(path string, truncate bool) (writer, error) {
	flags := os.O_WRONLY
	if truncate {
		flags |= os.O_TRUNC | os.O_CREATE // some servers take the one only with the other
	}
	f, err := r.client.OpenFile(path, flags)
	if err != nil {
		return nil, r.reason(err)
	}
	return remoteFile{r, f}, nil
}

// rename replaces what is there at once where the server can, else in two
// steps.
func (r *Remote) rename(from, to string) error {
	if r.posix {
		return r.reason(r.client.PosixRename(from, to))
	}
	err := r.client.Rename(from, to)
	if err == nil {
		return nil
	}
	if info, serr := r.client.Lstat(to); serr != nil || info.IsDir() {
		return r.reason(err)
	}
	if err := r.client.Remove(to); err != nil {
		return r.reason(err)
	}
	return r.reason(r.client.Rename(from, to))
}

func (r *Remote) remove(path string) error { return r.reason(r.client.Remove(path)) }

func (r *Remote) chmod(path string, mode fs.FileMode) error {
	return r.reason(r.client.Chmod(path, mode))
}

func (r *Remote) chtimes(path string, atime, mtime time.Time) error {
	return r.reason(r.client.Chtimes(path, atime, mtime))
}

func (r *Remote) free(dir string) (uint64, bool) {
	if _, ok := r.client.HasExtension("statvfs@openssh.com"); !ok {
		return 0, false
	}
	v, err := r.client.StatVFS(dir)
	if err != nil {
		return 0, false
	}
	return v.Frsize * v.Bavail, true
}

// sum asks a command at the far end, or reads the file back.
func (r *Remote) sum(ctx context.Context, path string, n int64) (digest, string, error) {
	d, how, err := r.shell.sum(ctx, path, n)
	if err == nil || ctx.Err() != nil {
		return d, how, err
	}
	f, err := r.client.Open(path)
	if err != nil {
		return d, "", r.reason(err)
	}
	defer f.Close()
	d, err = sumOf(ctx, f, n, 32*r.size)
	return d, "by reading it back", r.reason(err)
}

func (r *Remote) join(dir, name string) string {
	if dir == "." || dir == "" {
		return name
	}
	return path.Join(dir, name)
}

func (r *Remote) label(path string) string { return Operand{Host: r.far.Host, Path: path}.String() }
func (r *Remote) chunk() int               { return r.size }

// real is a path without links, as far as the server tells.
func (r *Remote) real(path string) (string, error) {
	p, err := r.client.RealPath(path)
	return p, r.reason(err)
}

// reason names what a server's status does not.
func (r *Remote) reason(err error) error {
	var status *sftp.StatusError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sftp.ErrSSHFxConnectionLost), errors.Is(err, io.ErrClosedPipe), errors.Is(err, os.ErrClosed), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF):
		return &LostError{r.far.Host}
	case errors.As(err, &status):
		return &statusError{status}
	}
	return err
}

// statusError words an SFTP status; the server's text is in quotes.
type statusError struct{ *sftp.StatusError }

func (e *statusError) Error() string {
	return "the server answers " + strings.TrimPrefix(e.StatusError.Error(), "sftp: ")
}

func (e *statusError) Unwrap() error { return e.StatusError }

// isFailure recognises the status that says nothing: OpenSSH's for a full disk.
func isFailure(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxFailure
}

// saysFull recognises the status of servers that have one for a full disk
// (draft-ietf-secsh-filexfer-13 §9.1).
func saysFull(err error) bool {
	var status *sftp.StatusError
	return errors.As(err, &status) && (status.Code == 14 || status.Code == 15)
}

// remoteFile is an open file of a server.
type remoteFile struct {
	r *Remote
	f *sftp.File
}

func (f remoteFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.f.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = f.r.reason(err)
	}
	return n, err
}

func (f remoteFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.f.WriteAt(p, off)
	return n, f.r.reason(err)
}

func (f remoteFile) Stat() (fs.FileInfo, error)               { return f.r.info(f.f.Stat()) }
func (f remoteFile) Truncate(size int64) error                { return f.r.reason(f.f.Truncate(size)) }
func (f remoteFile) Chmod(mode fs.FileMode) error             { return f.r.reason(f.f.Chmod(mode)) }
func (f remoteFile) Close() error                             { return f.r.reason(f.f.Close()) }
func (remoteFile) data(off, size int64) (int64, int64, error) { return off, size, nil }
