package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"time"
)

// link copies a symbolic link as one. What it leads to is the source's choice;
// nothing is ever written through it.
func (c *copier) link(t *task) error {
	text, err := t.from.readlink(t.path)
	if err != nil {
		return fmt.Errorf("read link: %w", err)
	}
	part := c.partName(t.to)
	if err := c.to.symlink(text, part); err != nil {
		return fmt.Errorf("make link: %w", err)
	}
	if err := c.to.rename(part, t.to); err != nil {
		_ = c.to.remove(part)
		return c.inTheWay(t, err)
	}
	c.count(t)
	return nil
}

// inTheWay explains why a finished file did not get its name.
func (c *copier) inTheWay(t *task, err error) error {
	if info, serr := c.to.stat(t.to, false); serr == nil && info.IsDir() {
		return errIsDir
	}
	return fmt.Errorf("rename: %w", err)
}

// output is a target's file that is being filled.
type output struct {
	w       writer
	path    string // a partial file's, or the file's own
	inPlace bool
	start   int64 // where to go on
}

// file copies a regular file, and tells of what is none.
func (c *copier) file(ctx context.Context, t *task) error {
	if !t.info.Mode().IsRegular() {
		c.tell(Event{Kind: Skipped, Name: t.name(), Text: special(t.info.Mode())})
		return nil
	}
	if present, err := c.present(ctx, t); err != nil || present {
		return err
	}
	from, err := t.from.open(t.path)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer from.Close()
	if err := c.look(t, from); err != nil {
		return err
	}
	out, err := c.output(ctx, t)
	if err != nil {
		return err
	}
	c.tell(Event{Kind: Started, Name: t.name(), To: c.to.label(t.to), Size: t.info.Size(), Bytes: out.start})
	err = c.fill(ctx, t, from, out)
	if err == nil {
		err = c.complete(ctx, t, out)
	} else {
		_ = out.w.Close()
	}
	if err != nil {
		return c.leave(ctx, t, out, err)
	}
	c.count(t)
	return nil
}

// look takes the size that an opened file has now: its directory's listing may
// be old. The file that was opened must still be a regular one.
func (c *copier) look(t *task, from reader) error {
	if _, remote := t.from.(*Remote); remote && !t.explicit {
		return nil // it costs a round trip; a read beyond the end tells
	}
	info, err := from.Stat()
	if err != nil {
		return fmt.Errorf("look at: %w", err)
	}
	if !info.Mode().IsRegular() {
		return errNotRegular
	}
	t.info = info
	return nil
}

// special names what is neither file, directory nor link.
func special(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "no regular file"
}

// present reports whether the file is there already, when that counts.
func (c *copier) present(ctx context.Context, t *task) (bool, error) {
	if !c.cfg.Resume {
		return false, nil
	}
	old, err := c.to.stat(t.to, false)
	if err != nil || !old.Mode().IsRegular() || old.Size() != t.info.Size() || c.cfg.Plain && !c.cfg.Checksum {
		return false, nil
	}
	if !c.cfg.Plain && old.ModTime().Unix() != t.info.ModTime().Unix() {
		return false, nil
	}
	if c.cfg.Checksum {
		switch _, err := c.compare(ctx, t, t.to, t.info.Size()); {
		case errors.Is(err, errDifferent):
			return false, nil
		case err != nil:
			return false, err
		}
	}
	c.tell(Event{Kind: Present, Name: t.name(), To: c.to.label(t.to), Size: t.info.Size()})
	return true, nil
}

// output opens what the file is written to: a partial file beside the target,
// or the target itself when that is asked for or is no regular file.
func (c *copier) output(ctx context.Context, t *task) (*output, error) {
	inPlace := c.cfg.InPlace
	if t.explicit || inPlace {
		switch old, err := c.to.stat(t.to, true); {
		case err == nil && old.IsDir():
			return nil, errIsDir
		case err == nil && !old.Mode().IsRegular():
			inPlace = true
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("look at the target: %w", err)
		case err != nil:
			inPlace = false
		}
	}
	if inPlace {
		w, err := c.to.reopen(t.to, true)
		if err != nil {
			return nil, fmt.Errorf("open the target: %w", err)
		}
		return &output{w: w, path: t.to, inPlace: true}, nil
	}
	if c.cfg.Resume && t.info.Size() > 0 {
		if out, err := c.resume(ctx, t); out != nil || err != nil {
			return out, err
		}
	}
	part := c.partName(t.to)
	w, err := c.to.create(part, isPrivate(t.info))
	if err != nil {
		return nil, fmt.Errorf("make %q: %w", c.to.label(part), err)
	}
	return &output{w: w, path: part}, nil
}

// isPrivate reports whether nobody but the owner may see it.
func isPrivate(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 == 0 }

// fill copies the content.
func (c *copier) fill(ctx context.Context, t *task, from reader, out *output) error {
	moved := func(n int) {
		c.tell(Event{Kind: Moved, Name: t.name(), Bytes: int64(n)})
	}
	if t.info.Size() == 0 {
		return c.flow.rest(ctx, from, out.w, moved)
	}
	return c.flow.copy(ctx, from, out.w, out.start, t.info.Size(), moved)
}

// complete closes a file that has all its content and gives it its mode, times
// and name.
func (c *copier) complete(ctx context.Context, t *task, out *output) error {
	var err error
	if !c.cfg.Plain && !out.inPlace {
		if err = out.w.Chmod(t.info.Mode().Perm()); err != nil {
			err = fmt.Errorf("set mode: %w", err)
		}
	}
	if cerr := out.w.Close(); cerr != nil && err == nil { // some disks are full only now
		err = fmt.Errorf("close: %w", cerr)
	}
	if err == nil && c.cfg.Checksum {
		err = c.verify(ctx, t, out.path)
	}
	if err == nil && !c.cfg.Plain {
		err = c.stamp(t, out.path)
	}
	if err == nil && !out.inPlace {
		if err = c.to.rename(out.path, t.to); err != nil {
			err = c.inTheWay(t, err)
		}
	}
	return err
}

// verify compares both sides' checksums of what was copied.
func (c *copier) verify(ctx context.Context, t *task, path string) error {
	how, err := c.compare(ctx, t, path, t.info.Size())
	if err != nil {
		return err
	}
	c.tell(Event{Kind: Verified, Name: t.name(), To: c.to.label(t.to), Text: how})
	return nil
}

// compare makes the checksums of the first n bytes on both sides at once.
func (c *copier) compare(ctx context.Context, t *task, path string, n int64) (how string, err error) {
	type answer struct {
		digest
		how string
		err error
	}
	theirs := make(chan answer, 1)
	go func() {
		d, how, err := t.from.sum(ctx, t.path, n)
		theirs <- answer{d, how, err}
	}()
	d, how, err := c.to.sum(ctx, path, n)
	source := <-theirs
	switch {
	case err != nil:
		return "", fmt.Errorf("checksum: %w", err)
	case source.err != nil:
		return "", fmt.Errorf("checksum of the source: %w", source.err)
	case d != source.digest:
		return "", errDifferent
	}
	return fmt.Sprintf("source %s, target %s", source.how, how), nil
}

// worthKeeping is from how many bytes on a partial file stays.
const worthKeeping = 1 << 20

// leave deals with a file that was cut off: its partial file stays if going on
// with it is worth it, and the error says what became of it.
func (c *copier) leave(ctx context.Context, t *task, out *output, err error) error {
	err = c.explain(t, err)
	if out.inPlace {
		return fmt.Errorf("%w; the target is incomplete", err)
	}
	size := int64(-1)
	if info, serr := c.to.stat(out.path, false); serr == nil {
		size = info.Size()
	}
	wrong := errors.Is(err, errDifferent) || errors.Is(err, errChanged) || errors.Is(err, errIsDir)
	switch {
	case isLost(err):
		c.kept(t, out.path, size)
	case !wrong && (c.cfg.Resume || size >= worthKeeping && !errors.Is(err, ErrNoSpace)):
		_ = c.to.chtimes(out.path, time.Now(), time.Now())
		c.kept(t, out.path, size)
	default:
		if rerr := c.to.remove(out.path); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			c.kept(t, out.path, size)
		} else if size > 0 {
			return fmt.Errorf("%w; what was written of it is removed", err)
		}
	}
	return err
}

// kept tells of a partial file that stays.
func (c *copier) kept(t *task, part string, size int64) {
	text := "an incomplete file stays at " + fmt.Sprintf("%q", c.to.label(part))
	if size >= 0 {
		text += fmt.Sprintf(" with %d bytes", size)
	}
	c.tell(Event{Kind: Noted, Name: t.name(), To: c.to.label(part), Bytes: max(size, 0), Text: text + "; -c goes on with it"})
}

// explain finds out whether a write failed for want of room.
func (c *copier) explain(t *task, err error) error {
	var op *ioError
	full := isFull(err) || saysFull(err)
	if !full && isFailure(err) && (errors.As(err, &op) && op.op == "write" || !errors.As(err, &op)) {
		room, known := c.to.free(dirOf(c.to, t.to))
		full = known && room < uint64(c.flow.size)
	}
	if full {
		return fmt.Errorf("%s: %w (%w)", c.to.label(dirOf(c.to, t.to)), ErrNoSpace, err)
	}
	return err
}

func dirOf(to target, p string) string {
	if _, ok := to.(*Remote); ok {
		return path.Dir(p)
	}
	return filepath.Dir(p)
}

func baseOf(to target, p string) string {
	if _, ok := to.(*Remote); ok {
		return path.Base(p)
	}
	return filepath.Base(p)
}

var _ io.ReaderAt = remoteFile{}
