package hostkey

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// ErrUnrecordable reports a host whose name cannot be written to known_hosts,
// or that there is no user's file to write to.
var ErrUnrecordable = errors.New("host cannot be recorded in known_hosts")

// Add appends a line for each key to the first user's file, which is made
// (0600, its directory 0700) when it is not there. h is Verdict.Record: its
// name, and its address too unless Addr is "". Names are hashed if the Store is
// configured so. It returns the file.
//
// All lines go out in one append under a lock, so that neither readers nor
// other writers, OpenSSH's included, see or lose half of it.
func (s *Store) Add(h Host, keys ...ssh.PublicKey) (file string, err error) {
	if len(s.cfg.UserFiles) == 0 || !h.recordable() {
		return "", fmt.Errorf("add %q: %w", h.Lookup(), ErrUnrecordable)
	}
	var b strings.Builder
	for _, key := range keys {
		writeEntry(&b, h, key, s.cfg.Hash)
	}
	file = s.cfg.UserFiles[0]
	if err := appendLines(file, b.String()); err != nil {
		return file, fmt.Errorf("add %q to known hosts: %w", h.Lookup(), err)
	}
	return file, nil
}

// writeEntry writes the line, or for hashed names lines, for h and key.
// hostfile.c: write_host_entry.
func writeEntry(b *strings.Builder, h Host, key ssh.PublicKey, hash bool) {
	hosts := []string{h.Lookup()}
	if addr := h.AddrLookup(); addr != "" {
		hosts = append(hosts, addr)
	}
	text := string(ssh.MarshalAuthorizedKey(Plain(key))) // ends in a newline
	if !hash {
		b.WriteString(strings.Join(hosts, ",") + " " + text)
		return
	}
	for _, host := range hosts {
		b.WriteString(hashName(host) + " " + text)
	}
}

// appendLines appends text in one write, on a line of its own.
func appendLines(path, text string) error {
	if err := makeDir(path); err != nil {
		return err
	}
	f, err := openLocked(path, os.O_RDWR|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return err
	}
	defer f.Close()
	whole, err := endsLine(f)
	if err != nil {
		return err
	}
	if !whole {
		text = "\n" + text
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	return f.Close()
}

// endsLine reports whether what is appended to f begins a line.
func endsLine(f *os.File) (bool, error) {
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !st.Mode().IsRegular() || st.Size() == 0 {
		return true, nil
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], st.Size()-1); err != nil && err != io.EOF {
		return false, err
	}
	return last[0] == '\n', nil
}

// makeDir makes the directory that path lies in, and none above it.
func makeDir(path string) error {
	err := os.Mkdir(filepath.Dir(path), 0o700)
	if _, statErr := os.Stat(filepath.Dir(path)); statErr == nil {
		return nil
	}
	return err
}
