package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"sallyport/internal/api"
	"sallyport/internal/atomicfile"
	"sallyport/internal/route"
)

// pinFileVersion is that of what is written; another one is not read.
const pinFileVersion = 1

// savedPins is the file that the next daemon reads.
type savedPins struct {
	Version int        `json:"version"`
	Last    int        `json:"last,omitempty"` // the newest pin's number: none is given twice
	Sets    []savedSet `json:"sets"`
}

type savedSet struct {
	Name     string            `json:"name,omitempty"`
	Now      bool              `json:"now,omitempty"`
	Route    route.Route       `json:"route"`
	Env      []string          `json:"env,omitempty"`
	Dir      string            `json:"dir,omitempty"`
	Forwards []api.ForwardSpec `json:"forwards"`
	Numbers  []int             `json:"numbers,omitempty"` // of Forwards: what "rm" calls them
}

// savedVariables are those of a command's environment that a later dial needs.
// No others are written: they may hold secrets.
var savedVariables = []string{
	"HOME", "USER", "LOGNAME", "SHELL", "PATH", "TZ", "LANG", "TMPDIR", "XDG_RUNTIME_DIR",
	"SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
	"DBUS_SESSION_BUS_ADDRESS", "SSH_SK_PROVIDER", "KRB5CCNAME",
}

// save writes what is pinned, or removes the file when nothing is. What it
// returns is api.Result's Unsaved.
func (t *pins) save() (unsaved string) {
	if t.file == "" {
		return ""
	}
	t.saving.Lock()
	defer t.saving.Unlock()
	t.mu.Lock()
	forgot := t.forgot
	saved := savedPins{Version: pinFileVersion, Last: t.last}
	t.mu.Unlock()
	if forgot {
		return ""
	}
	for _, s := range t.all() {
		if one := s.saved(); len(one.Forwards) > 0 {
			saved.Sets = append(saved.Sets, one)
		}
	}
	if err := saved.write(t.file); err != nil {
		t.server.log.Warn("pinned forwards are not saved", "err", err)
		return fmt.Sprintf("%s: %v", t.file, reasonOf(err))
	}
	return ""
}

// reasonOf is why the system refused something, without the names of files that
// nobody knows.
func reasonOf(err error) error {
	var reason syscall.Errno
	if errors.As(err, &reason) {
		return reason
	}
	return err
}

// write replaces the file. Until the new one is there in full, the old one is
// what the next daemon finds, however this one ends.
func (saved savedPins) write(file string) error {
	if len(saved.Sets) == 0 {
		if err := atomicfile.Remove(file); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	return atomicfile.Write(file, text)
}

// saved is what is written of a set.
func (s *pinSet) saved() savedSet {
	one := savedSet{Name: s.name, Now: s.now, Route: s.route, Dir: s.origin.Dir}
	for _, e := range s.origin.Env {
		if name, _, _ := strings.Cut(e, "="); slices.Contains(savedVariables, name) || strings.HasPrefix(name, "LC_") {
			one.Env = append(one.Env, e)
		}
	}
	select {
	case <-s.ready: // it was added in full
	default:
		return one
	}
	for _, p := range s.pins {
		if p.ctx.Err() == nil {
			n, _ := strconv.Atoi(p.id)
			one.Forwards, one.Numbers = append(one.Forwards, p.asked), append(one.Numbers, n)
		}
	}
	return one
}

// forget ends the saving: the daemon was told to quit.
func (t *pins) forget() {
	t.saving.Lock()
	defer t.saving.Unlock()
	t.mu.Lock()
	t.forgot = true
	t.mu.Unlock()
	if t.file != "" {
		_ = atomicfile.Remove(t.file)
	}
}

// restore brings back what a daemon that has died had pinned.
func (t *pins) restore() {
	if t.file == "" {
		return
	}
	saved, err := readPins(t.file)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			t.server.log.Warn("pinned forwards are lost", "err", err)
		}
		return
	}
	t.mu.Lock()
	t.last = saved.Last
	t.mu.Unlock()
	for _, one := range saved.Sets {
		set, err := t.make(one.Route, &api.Request{Name: one.Name, Now: one.Now, Forwards: one.Forwards, Env: one.Env, Dir: one.Dir}, one.Numbers)
		if err != nil {
			t.server.log.Warn("pinned forward is lost", "hop", one.Route.Target().Name, "err", err)
			continue
		}
		for _, p := range set.pins {
			t.server.log.Info("forward restored", "id", p.id, "hop", set.route.Target().Name, "forward", p.describe())
			if !p.remote {
				p.listenAgain()
			}
		}
		set.keep()
	}
}

// readPins reads the file of a daemon before.
func readPins(file string) (*savedPins, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return nil, err
	}
	if uid, known := ownerOf(info); !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 || known && uid != os.Geteuid() {
		return nil, fmt.Errorf("%w %s", ErrUnsafeFile, file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var saved savedPins
	if err := json.Unmarshal(text, &saved); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if saved.Version != pinFileVersion {
		return nil, fmt.Errorf("read %s: version %d is not known", file, saved.Version)
	}
	for _, s := range saved.Sets {
		if n := len(s.Route.Hops); n == 0 || n > route.MaxHops {
			return nil, fmt.Errorf("read %s: a route of %d hops", file, n)
		}
	}
	return &saved, nil
}

// removeDeadSocket removes a socket that nobody listens on.
func removeDeadSocket(path string) {
	if path == "" {
		return
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(path)
	}
}
