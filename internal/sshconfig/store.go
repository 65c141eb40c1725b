package sshconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrChanged says that a file is not what it was when it was read.
var ErrChanged = errors.New("changed meanwhile; nothing was written")

// Draft is a configuration file that is about to change.
type Draft struct {
	// Name is the file as ssh reads it, path the one that is written: Name
	// without symbolic links.
	Name string
	path string
	// before is what was read; nil when there is no file.
	before []byte
	*Document
}

// OpenDraft reads a file to change it; one that does not exist is empty. A
// symbolic link is followed, so that it stays one.
func OpenDraft(name string) (*Draft, error) {
	path, err := filepath.EvalSymlinks(name)
	if errors.Is(err, fs.ErrNotExist) {
		if path, err = missingTarget(name); err == nil {
			return &Draft{Name: name, path: path, Document: ParseDocument("")}, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := replaceable(path, info); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if text == nil {
		text = []byte{}
	}
	return &Draft{Name: name, path: path, before: text, Document: ParseDocument(string(text))}, nil
}

// missingTarget is where a file that does not exist will be: the directory's
// links are followed, and the file itself must not be a link to nowhere.
func missingTarget(name string) (string, error) {
	if _, err := os.Lstat(name); err == nil {
		return "", errors.New("a symbolic link to a file that does not exist")
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(name))
	if errors.Is(err, fs.ErrNotExist) {
		return name, nil
	}
	return filepath.Join(dir, filepath.Base(name)), err
}

// replaceable refuses what a new file in the place of the old one would break.
func replaceable(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	if n := links(info); n > 1 {
		return fmt.Errorf("%s has %d names (hard links), which a change would part: edit it by hand", path, n)
	}
	return nil
}

// Changed reports whether Save would write something.
func (d *Draft) Changed() bool {
	return d.String() != string(d.before) || (d.before == nil && len(d.lines) > 0)
}

// Before is the file's text as it was read; existed is false when there was no file.
func (d *Draft) Before() (text string, existed bool) { return string(d.before), d.before != nil }

// Save puts the new text in the file's place at once, or leaves the file as it
// is. Mode and owner stay; a new file is 0600, a new directory 0700. A file that
// somebody else changed since OpenDraft is left alone: ErrChanged. A draft is
// saved once.
func (d *Draft) Save() error {
	if !d.Changed() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(d.path), 0o700); err != nil {
		return err
	}
	removeLeftovers(d.path)
	temp, err := os.CreateTemp(filepath.Dir(d.path), tempPattern(d.path))
	if err != nil {
		return fmt.Errorf("write %s: %w", d.path, err)
	}
	defer os.Remove(temp.Name()) // in vain once it has its name
	_, err = temp.WriteString(d.String())
	err = errors.Join(err, d.likeBefore(temp), temp.Sync(), temp.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", d.path, err)
	}
	if err := d.unchanged(); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), d.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(d.path))
}

// likeBefore gives the new file the mode and the owner of the old one.
func (d *Draft) likeBefore(temp *os.File) error {
	if d.before == nil {
		return temp.Chmod(0o600)
	}
	old, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	if err := keepOwner(temp, old); err != nil {
		return fmt.Errorf("keep the owner: %w", err)
	}
	return temp.Chmod(old.Mode().Perm())
}

// unchanged compares the file with what was read.
func (d *Draft) unchanged() error {
	now, err := os.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) && d.before == nil {
		return nil
	}
	if err != nil || d.before == nil || !bytes.Equal(now, d.before) {
		return fmt.Errorf("%s %w", d.path, ErrChanged)
	}
	return nil
}

// tempPattern names a file's successors until they take its place. The dot
// keeps them out of an Include with wildcards.
func tempPattern(path string) string { return "." + filepath.Base(path) + ".sally-*" }

// removeLeftovers takes away what a killed predecessor left. Nobody else has
// one there: see LockDir.
func removeLeftovers(path string) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), strings.ReplaceAll(tempPattern(path), "[", `\[`)))
	for _, name := range left {
		_ = os.Remove(name)
	}
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	h, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := h.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// LockDir waits until no other Sallyport changes configuration files of a
// directory, which is made when it does not exist, and keeps them from it until
// unlock. The kernel gives the lock back however the process ends. Where the
// file system knows no locks there is none: Save still tells a change.
func LockDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	h, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	lock(h)
	return func() { h.Close() }, nil
}
