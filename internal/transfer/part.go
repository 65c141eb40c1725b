package transfer

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"sync"
)

// A partial file is called after the file it will be, with a number that no
// other copy has: ".name.sally-part-0123456789ab". Two copies to one target
// cannot write into one file.
const (
	partMark    = ".sally-part-"
	partDigits  = 12
	longestName = 255 // of most file systems, in bytes
)

// partName is a new name beside a target's.
func (c *copier) partName(to string) string {
	var random [partDigits / 2]byte
	_, _ = rand.Read(random[:])
	name := partPrefix(baseOf(c.to, to)) + hex.EncodeToString(random[:])
	return c.to.join(dirOf(c.to, to), name)
}

// partPrefix is what the partial files of a name begin with.
func partPrefix(base string) string {
	return "." + base[:min(len(base), longestName-1-len(partMark)-partDigits)] + partMark
}

// isPart recognises the name of a partial file: they are not copied.
func isPart(name string) bool {
	at := len(name) - partDigits - len(partMark)
	return at > 1 && name[0] == '.' && name[at:at+len(partMark)] == partMark &&
		strings.Trim(name[at+len(partMark):], "0123456789abcdef") == ""
}

// partLists are the listings of target directories, each made once.
type partLists struct {
	mu   sync.Mutex
	dirs map[string]*partList
}

type partList struct {
	once  sync.Once
	infos []fs.FileInfo // of partial files only
}

// of lists the partial files in a directory of the target.
func (l *partLists) of(ctx context.Context, to target, dir string) []fs.FileInfo {
	l.mu.Lock()
	if l.dirs == nil {
		l.dirs = map[string]*partList{}
	}
	list := l.dirs[dir]
	if list == nil {
		list = &partList{}
		l.dirs[dir] = list
	}
	l.mu.Unlock()
	list.once.Do(func() {
		infos, _ := to.list(ctx, dir) // without one there is nothing to go on with
		for _, info := range infos {
			if isPart(info.Name()) && info.Mode().IsRegular() {
				list.infos = append(list.infos, info)
			}
		}
	})
	return list.infos
}

// resume opens the partial file of an earlier copy, if there is one whose
// content is the source's as far as it goes. It takes it under a new name, so
// that of several copies one has it.
func (c *copier) resume(ctx context.Context, t *task) (*output, error) {
	dir, base := dirOf(c.to, t.to), baseOf(c.to, t.to)
	var best fs.FileInfo
	for _, info := range c.parts.of(ctx, c.to, dir) {
		fits := strings.HasPrefix(info.Name(), partPrefix(base)) && info.Size() <= t.info.Size()
		if fits && (best == nil || info.Size() > best.Size()) {
			best = info
		}
	}
	if best == nil {
		return nil, nil
	}
	part := c.partName(t.to)
	if err := c.to.rename(c.to.join(dir, best.Name()), part); err != nil {
		return nil, nil // another copy has it
	}
	start := max(best.Size()-c.flow.unsure(), 0) / int64(c.flow.size) * int64(c.flow.size)
	if start > 0 {
		_, err := c.compare(ctx, t, part, start)
		if ctx.Err() != nil || isLost(err) {
			return nil, err
		}
		if err != nil {
			c.tell(Event{Kind: Noted, Name: t.name(), Text: fmt.Sprintf("the incomplete copy is of no use (%v): it begins anew", err)})
			start = 0
		}
	}
	w, err := c.to.reopen(part, start == 0)
	if err == nil && start > 0 {
		if err = w.Truncate(start); err != nil {
			w.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", c.to.label(part), err)
	}
	return &output{w: w, path: part, start: start}, nil
}
