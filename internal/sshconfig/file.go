package sshconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Files are the configuration files of one user, parsed once. They may be used
// by several goroutines. A file that an Include names is read when it is first
// needed and then kept.
type Files struct {
	// config: not changed after Load
	env   Env
	name  string
	roots []root
	// texts stand in for what files hold; see With.
	texts map[string]string

	// state: guarded by mu
	mu    sync.Mutex
	files map[string]*file
	globs map[string][]string
}

// root is a file that is read for each host.
type root struct {
	*file
	giver giver
}

// file is one parsed file.
type file struct {
	name  string
	lines []line
	// err says why an included file may not be used.
	err error
	// checked is set once all lines were found good, so that lines that do
	// not apply to a host need not be looked at again.
	checked atomic.Bool

	// reads counts the readings since then; see indexed.
	reads     atomic.Int32
	indexOnce sync.Once
	index     *blockIndex
}

// line is one statement; what it says is read when it matters.
type line struct {
	kw     keyword
	number int32
	// key is the keyword as written, rest what follows; both point into the
	// file's text.
	key, rest string
}

// Load reads the files that apply when ssh is given "-F name": for "" the
// user's ~/.ssh/config and the system's file, either of which may be missing;
// for "none" nothing; for another name that file alone, which must exist.
func Load(name string, env Env) (*Files, error) {
	if err := env.fill(); err != nil {
		return nil, err
	}
	return load(name, env, nil)
}

// With is the files as they would be with other texts in those named, which
// need not exist. Names are those that HostBlock and Origin tell.
func (f *Files) With(texts map[string]string) (*Files, error) {
	return load(f.name, f.env, texts)
}

func load(name string, env Env, texts map[string]string) (*Files, error) {
	f := &Files{env: env, name: name, texts: texts, files: make(map[string]*file), globs: make(map[string][]string)}
	if strings.EqualFold(name, "none") {
		return f, nil
	}
	if name != "" {
		one, err := f.read(name, false)
		if err != nil {
			return nil, cannotOpen(name, err)
		}
		f.roots = []root{{one, giverUser}}
		return f, nil
	}
	user, err := f.read(filepath.Join(env.Home, ".ssh", "config"), true)
	if err := f.addRoot(user, err, giverUser); err != nil {
		return nil, err
	}
	system, err := f.read(env.SystemFile, false)
	if err := f.addRoot(system, err, giverSystem); err != nil {
		return nil, err
	}
	return f, nil
}

// addRoot adds a file unless it cannot be opened.
func (f *Files) addRoot(one *file, err error, giver giver) error {
	var bad *Error
	if errors.As(err, &bad) {
		return err
	}
	if err == nil {
		f.roots = append(f.roots, root{one, giver})
	}
	return nil
}

// cannotOpen words a failure to open a file that must exist.
func cannotOpen(name string, err error) error {
	var bad *Error
	if errors.As(err, &bad) {
		return err
	}
	text := err.Error()
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		text = path.Err.Error()
	}
	// The system's own texts start with a capital letter, Go's do not.
	return fatalf("Can't open user config file %s: %s%s", name, strings.ToUpper(text[:1]), text[1:])
}

// read reads and splits a file. check refuses one that others may write.
func (f *Files) read(name string, check bool) (*file, error) {
	if text, ok := f.texts[name]; ok {
		return parseFile(name, text), nil
	}
	h, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	info, err := h.Stat()
	if err != nil {
		return nil, fatalf("fstat %s: %v", name, err)
	}
	if check && !f.env.trusted(info) {
		return nil, fatalf("Bad owner or permissions on %s", name)
	}
	if info.IsDir() {
		return &file{name: name}, nil // reading ends at once, as in ssh
	}
	text, err := readAll(h, info.Size())
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return parseFile(name, text), nil
}

// parseFile splits text into statements.
func parseFile(name, text string) *file {
	f := &file{name: name}
	f.lines = make([]line, 0, strings.Count(text, "\n")+1)
	var number int32
	for text != "" {
		var s string
		if i := strings.IndexByte(text, '\n'); i >= 0 {
			s, text = text[:i+1], text[i+1:]
		} else {
			s, text = text, ""
		}
		number++
		key, rest := splitLine(s)
		if key != "" {
			f.lines = append(f.lines, line{lookupKeyword(key), number, key, rest})
		}
	}
	return f
}

// maxDepth is how deep Include may nest. readconf.c: READCONF_MAX_DEPTH.
const maxDepth = 16

// include returns a file that an Include names, nil when it does not exist.
func (f *Files) include(name string) (*file, error) {
	f.mu.Lock()
	one, ok := f.files[name]
	f.mu.Unlock()
	if !ok {
		one = f.keep(name, f.readIncluded(name))
	}
	if one == nil {
		return nil, nil
	}
	return one, one.err
}

// readIncluded reads a file; it is nil when there is none.
func (f *Files) readIncluded(name string) *file {
	one, err := f.read(name, true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &file{name: name, err: err}
	}
	return one
}

// keep stores a file, unless somebody else was faster, and returns the one that
// is stored.
func (f *Files) keep(name string, one *file) *file {
	f.mu.Lock()
	defer f.mu.Unlock()
	if first, ok := f.files[name]; ok {
		return first
	}
	f.files[name] = one
	return one
}

// expandGlob lists the files that an Include's pattern matches.
func (f *Files) expandGlob(pattern string) []string {
	f.mu.Lock()
	names, ok := f.globs[pattern]
	f.mu.Unlock()
	if ok {
		return names
	}
	names = f.withTexts(pattern, glob(pattern))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.globs[pattern] = names
	return names
}

// withTexts adds the names of texts that a pattern matches.
func (f *Files) withTexts(pattern string, names []string) []string {
	for name := range f.texts {
		if ok, err := filepath.Match(pattern, name); name == pattern || (ok && err == nil) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// WithRoot is the files with an empty one that does not exist yet as the
// user's own.
func (f *Files) WithRoot(name string) (*Files, error) {
	texts := map[string]string{name: ""}
	return load(name, f.env, texts)
}
