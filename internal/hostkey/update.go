package hostkey

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Plan is what UpdateHostKeys would do with the keys that a server offers.
type Plan struct {
	// Keys are the keys to keep for the host: those offered that
	// HostKeyAlgorithms accepts.
	Keys []ssh.PublicKey
	// New are those of Keys that no line holds for the host yet, in the
	// server's order. The server has to prove that it owns each of them
	// before Update may be called.
	New []ssh.PublicKey
	// Deprecated are the lines of the host whose keys were not offered.
	Deprecated []Line
	// Skip says why nothing is to be done; "" when something is.
	Skip string
}

// PlanUpdate finds what the keys that a server offers (the request
// hostkeys-00@openssh.com) change in the user's files. algorithms is
// HostKeyAlgorithms. h.Addr is set if CheckHostIP is on. Verdict.Updatable has
// to be true for the key that the server was accepted by, or the user has to
// have confirmed it. clientloop.c: client_input_hostkeys.
func (s *Store) PlanUpdate(h Host, offered []ssh.PublicKey, algorithms []string) (Plan, error) {
	p := Plan{}
	for _, key := range offered {
		if _, isCert := key.(*ssh.Certificate); isCert || !accepted(key, algorithms) {
			continue
		}
		if slices.ContainsFunc(p.Keys, func(k ssh.PublicKey) bool { return sameKey(k, key) }) {
			return Plan{}, fmt.Errorf("server offers its %s host key twice", TypeName(key))
		}
		p.Keys = append(p.Keys, key)
	}
	switch {
	case len(p.Keys) == 0:
		p.Skip = "the server offers no acceptable host key"
	case len(s.cfg.UserFiles) == 0 || !h.recordable():
		p.Skip = ErrUnrecordable.Error()
	default:
		return p, s.fillPlan(&p, h)
	}
	return p, nil
}

// accepted reports whether algorithms has one that a plain key can use.
func accepted(key ssh.PublicKey, algorithms []string) bool {
	return slices.ContainsFunc(algorithms, func(a string) bool {
		return keyFormat(a) == key.Type()
	})
}

// hostLine is a line as an update sees it.
type hostLine struct {
	rawLine
	file string
	key  ssh.PublicKey
	host bool // stands for the host's name
	addr bool // stands for its address
}

// hostLines reads all lines with a key from the user's files.
func (s *Store) hostLines(h Host) ([]hostLine, error) {
	var ls []hostLine
	for _, path := range s.cfg.UserFiles {
		data, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("update known hosts: %w", err)
		}
		eachLine(data, func(l rawLine) {
			if hl, ok := h.read(l, path); ok {
				ls = append(ls, hl)
			}
		})
	}
	return ls, nil
}

// read parses l's key and matches its names.
func (h Host) read(l rawLine, path string) (hostLine, bool) {
	key, err := l.parseKey()
	if err != nil {
		return hostLine{}, false
	}
	addr := h.AddrLookup()
	return hostLine{
		rawLine: l, file: path, key: key,
		host: matchNames(l.names, h.Lookup()),
		addr: addr != "" && matchNames(l.names, addr),
	}, true
}

// fillPlan compares p.Keys with the user's files.
func (s *Store) fillPlan(p *Plan, h Host) error {
	ls, err := s.hostLines(h)
	if err != nil {
		return err
	}
	known := make([]bool, len(p.Keys))
	for _, l := range ls {
		i := slices.IndexFunc(p.Keys, func(k ssh.PublicKey) bool { return sameKey(k, l.key) })
		why, mine := l.obstacle(h, i >= 0)
		if why != "" && p.Skip == "" {
			p.Skip = fmt.Sprintf("%s:%d: %s", l.file, l.number, why)
		}
		switch {
		case !mine:
		case i >= 0:
			known[i] = true
		default:
			p.Deprecated = append(p.Deprecated, l.line(l.file, l.key))
		}
	}
	for i, k := range p.Keys {
		if !known[i] {
			p.New = append(p.New, k)
		}
	}
	if len(p.New) == 0 && len(p.Deprecated) == 0 {
		p.Skip = "the host's keys are as they were"
	}
	if p.Skip == "" {
		p.Skip = deprecatedElsewhere(ls, p.Deprecated)
	}
	return nil
}

// obstacle says why a line forbids an update, and whether the line is one of
// the host's that an update may rewrite. clientloop.c: hostkeys_find.
func (l hostLine) obstacle(h Host, offered bool) (why string, mine bool) {
	list := strings.Contains(l.names, ",")
	switch {
	case !l.host && !l.addr:
		if offered {
			return "an offered key is listed for another name or address", false
		}
		return "", false
	case l.marker != "":
		return "the line has the marker " + l.marker, false
	case h.AddrLookup() != "" && list && !l.host:
		return "the address is listed with another name", false
	case h.AddrLookup() != "" && list && !l.addr:
		why = "the name is listed with another address"
	}
	if strings.ContainsAny(l.names, "*?") || strings.Count(l.names, ",") > 1 {
		return "the line has a pattern or a list of names", false
	}
	return why, true
}

// deprecatedElsewhere is why keys cannot be removed: other names have them,
// and a host with several names should not become two. clientloop.c:
// check_old_keys_othernames.
func deprecatedElsewhere(ls []hostLine, old []Line) string {
	for _, l := range ls {
		if l.host || l.addr {
			continue
		}
		for _, o := range old {
			if sameKey(o.Key, l.key) {
				return fmt.Sprintf("%s:%d: a deprecated key is listed for another name", l.file, l.number)
			}
		}
	}
	return ""
}

// Update makes keys, each of them proven by the server, the host's keys: lines
// of the host with other keys are removed from the user's files, missing keys
// are added to the first file. All other lines stay as they are, byte for byte.
// A file that changes is replaced at once, and keeps its mode; what it was
// stays beside it as ".old". hostfile.c: hostfile_replace_entries.
func (s *Store) Update(h Host, keys []ssh.PublicKey) error {
	if len(s.cfg.UserFiles) == 0 || !h.recordable() || len(keys) == 0 {
		return fmt.Errorf("update %q: %w", h.Lookup(), ErrUnrecordable)
	}
	for i, path := range s.cfg.UserFiles {
		want := keys
		if i > 0 {
			want = nil
		}
		err := s.updateFile(path, h, want)
		if i > 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("update %q in known hosts: %w", h.Lookup(), err)
		}
	}
	return nil
}

// updateFile does an update's part for one file.
func (s *Store) updateFile(path string, h Host, keys []ssh.PublicKey) error {
	flag := os.O_RDWR | os.O_APPEND
	if len(keys) > 0 {
		// Differs from OpenSSH, which would remove the keys from the other
		// files and add them nowhere.
		flag |= os.O_CREATE
		if err := makeDir(path); err != nil {
			return err
		}
	}
	return replaceFile(path, flag, func(old string) string {
		return s.rewrite(old, h, keys)
	})
}

// rewrite is the new content of a file.
func (s *Store) rewrite(data string, h Host, keys []ssh.PublicKey) string {
	var b strings.Builder
	b.Grow(len(data))
	found := make([]hostLine, len(keys)) // where each key is listed
	for rest := data; rest != ""; {
		end := strings.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		text := rest[:end]
		rest = rest[end:]
		if h.keep(strings.TrimSuffix(text, "\n"), keys, found) {
			b.WriteString(text)
		}
	}
	var added strings.Builder
	for i, key := range keys {
		if missing, ok := h.missing(found[i]); ok {
			writeEntry(&added, missing, key, s.cfg.Hash)
		}
	}
	kept := b.String()
	if added.Len() > 0 && kept != "" && !strings.HasSuffix(kept, "\n") {
		kept += "\n"
	}
	return kept + added.String()
}

// keep reports whether a line stays, and marks in found the key it holds.
func (h Host) keep(text string, keys []ssh.PublicKey, found []hostLine) bool {
	raw, ok := parseLine(text)
	if !ok || raw.marker != "" {
		return true
	}
	l, ok := h.read(raw, "")
	if !ok || !l.host && !l.addr {
		return true
	}
	i := slices.IndexFunc(keys, func(k ssh.PublicKey) bool { return sameKey(k, l.key) })
	if i < 0 {
		return false
	}
	found[i].host = found[i].host || l.host
	found[i].addr = found[i].addr || l.addr
	return true
}

// missing is the part of h, name or address, under which a key is not listed.
func (h Host) missing(found hostLine) (Host, bool) {
	if h.AddrLookup() == "" {
		h.Addr = ""
	}
	switch {
	case found.host && (found.addr || h.Addr == ""):
		return Host{}, false
	case found.host:
		return Host{Name: h.Addr, Port: h.Port}, true
	case found.addr:
		h.Addr = ""
	}
	return h, true
}
