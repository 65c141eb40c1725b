package recent

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sallyport/internal/atomicfile"
)

// Limits of the file. A line is a time, a space and a name.
const (
	most     = 200
	longest  = 255
	fileSize = most * (longest + 64)
	// fresh is how long a host at the top stays there without being written
	// again, so that a loop of commands does not write the file each time.
	fresh = time.Minute
)

// Entry is one host and when it was last used.
type Entry struct {
	Host string
	Used time.Time
}

// File is where the hosts are kept.
type File string

// Path is the file of a user: in the directory of XDG_STATE_HOME when that is
// an absolute path, else in ~/.local/state.
func Path(stateHome, home string) File {
	if !filepath.IsAbs(stateHome) {
		stateHome = filepath.Join(home, ".local", "state")
	}
	return File(filepath.Join(stateHome, "sally", "recent"))
}

// Load lists the entries, the newest first. A file that is not there is
// empty, and lines that make no sense are left out.
func (f File) Load() ([]Entry, error) {
	h, err := os.Open(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the recent hosts: %w", err)
	}
	defer h.Close()
	if info, err := h.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > fileSize {
		return nil, fmt.Errorf("read the recent hosts: %s is not a file of ours", f)
	}
	return parse(h)
}

func parse(h *os.File) ([]Entry, error) {
	var all []Entry
	lines := bufio.NewScanner(h)
	for lines.Scan() && len(all) < most {
		at, host, _ := strings.Cut(lines.Text(), " ")
		used, err := time.Parse(time.RFC3339, at)
		if err == nil && valid(host) {
			all = append(all, Entry{host, used})
		}
	}
	return all, lines.Err()
}

// valid tells whether a name can be kept: in one line, and not too long.
func valid(host string) bool {
	return host != "" && len(host) <= longest && !strings.ContainsAny(host, "\n\r")
}

// Add puts a host at the top. The file is replaced as a whole, so a reader
// never sees half of it; of two programs that write at the same moment one is
// forgotten, which does no harm.
func (f File) Add(host string, now time.Time) error {
	if !valid(host) {
		return nil
	}
	all, err := f.Load()
	if err != nil {
		all = nil // what cannot be read is begun anew
	}
	if len(all) > 0 && all[0].Host == host && now.Sub(all[0].Used).Abs() < fresh {
		return nil
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s\n", now.UTC().Format(time.RFC3339), host)
	kept := 1
	for _, e := range all {
		if e.Host != host && kept < most {
			fmt.Fprintf(&text, "%s %s\n", e.Used.UTC().Format(time.RFC3339), e.Host)
			kept++
		}
	}
	return f.write(text.Bytes())
}

func (f File) write(text []byte) error {
	if err := atomicfile.Write(string(f), text); err != nil {
		return fmt.Errorf("remember the host: %w", err)
	}
	return nil
}
