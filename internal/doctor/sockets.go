package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// socketChecks are about what lies where control sockets belong.
var socketChecks = []check{
	{"socket-stale", Warning, "nobody listens there any more: ssh has to find that out each time, and some programs stop at it",
		"remove it", findStale},
	{"socket-foreign", Error, "your sessions would run over somebody else's connection", "remove it, and have nobody else write to the directory", findForeign},
	{"socket-not", Error, "ssh cannot make its socket there and shares nothing", "move it away", findNoSocket},
}

// maxSockets bounds how many files of one directory are looked at.
const maxSockets = 500

// candidate is a file at a place of control sockets.
type candidate struct {
	path string
	info fs.FileInfo
	host *host
}

// candidates are the hosts' own sockets, and those in the directories whose
// files are nothing but sockets by their configuration.
func (s *setup) candidates() []candidate {
	var found []candidate
	add := func(path string, h *host) {
		if slices.ContainsFunc(found, func(c candidate) bool { return c.path == path }) {
			return
		}
		if info, err := os.Lstat(path); err == nil {
			found = append(found, candidate{path, info, h})
		}
	}
	for _, h := range s.good() {
		if path := h.options().Control.Path; path != "" {
			add(path, h)
		}
	}
	s.controlDirs(func(dir string, h *host) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries[:min(len(entries), maxSockets)] {
			if e.Type()&fs.ModeSocket != 0 && likeControl(e.Name(), h) {
				add(filepath.Join(dir, e.Name()), h)
			}
		}
	})
	return found
}

// likeControl tells a name that a host's ControlPath could have made: with its
// tokens filled in otherwise.
func likeControl(name string, h *host) bool {
	base := filepath.Base(h.options().Control.Path)
	o := h.options()
	for _, part := range []string{o.HostName, o.Original, o.User} {
		if part != "" {
			base = strings.ReplaceAll(base, part, "*")
		}
	}
	prefix, _, tokens := strings.Cut(base, "*")
	switch {
	case tokens:
		return strings.HasPrefix(name, prefix)
	case len(base) >= 40: // %C, a SHA-1 in hexadecimal
		return len(name) == len(base) && strings.HasPrefix(name, base[:len(base)-40])
	}
	return name == base
}

func findStale(s *setup) []Finding {
	var found []Finding
	for _, c := range s.candidates() {
		if c.info.Mode()&fs.ModeSocket == 0 || !s.mine(c.info) {
			continue
		}
		s.checked.Sockets++
		if err := listens(s.ctx, c.path); errors.Is(err, syscall.ECONNREFUSED) {
			found = append(found, Finding{File: c.path, What: "a control socket without anybody behind it",
				Fix: "rm " + c.path, Fixes: []Fix{{Op: Remove, File: c.path}}})
		}
	}
	return found
}

func (s *setup) mine(info fs.FileInfo) bool {
	uid, known := ownerOf(info)
	return !known || uid == s.env.UID
}

func findForeign(s *setup) []Finding {
	var found []Finding
	for _, c := range s.candidates() {
		if uid, known := ownerOf(c.info); known && uid != s.env.UID {
			found = append(found, Finding{File: c.path, Hosts: s.concerned(c.host), What: fmt.Sprintf("what is at the ControlPath belongs to user %d", uid)})
		}
	}
	return found
}

func findNoSocket(s *setup) []Finding {
	var found []Finding
	for _, c := range s.candidates() {
		if c.info.Mode()&(fs.ModeSocket|fs.ModeSymlink) == 0 && s.mine(c.info) {
			found = append(found, Finding{File: c.path, Hosts: s.concerned(c.host), What: "what is at the ControlPath is not a socket"})
		}
	}
	return found
}
