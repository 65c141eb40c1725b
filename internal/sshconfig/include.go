package sshconfig

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// setInclude reads files in the place of the line.
func (st *statement) setInclude() error {
	if st.cmdline {
		return fatalf("Include directive not supported as a command-line option")
	}
	// Reading goes on in other statements, which use the argument buffer.
	words := append([]string(nil), st.args...)
	st.args = nil
	for _, w := range words {
		if w == "" {
			return st.bad("keyword %s empty argument", lowerASCII(st.key))
		}
		if err := st.includeWord(w); err != nil {
			return err
		}
	}
	return nil
}

// includeWord reads the files that one word of an Include line names. What they
// match does not matter to the lines that follow.
func (st *statement) includeWord(w string) error {
	s, err := st.subject()
	if err != nil {
		return err
	}
	path, err := st.env.includePath(w, st.giver, st.env.tokens(s))
	if err == errHomeInclude {
		return st.bad("bad include path %s.", w)
	}
	if err != nil {
		return st.bad("Unable to expand user config file '%s'", w)
	}
	active := *st.state
	for _, name := range st.files.expandGlob(path) {
		one, err := st.files.include(name)
		if err != nil {
			return st.includeFailure(name, err)
		}
		if one == nil {
			continue
		}
		if err := st.includeFile(one, active); err != nil {
			return err
		}
	}
	return nil
}

// includeFailure tells a file that must not be used from one that cannot be read.
func (st *statement) includeFailure(name string, err error) error {
	if e, ok := err.(*Error); ok {
		return &stop{e}
	}
	if e, ok := cannotOpen(name, err).(*Error); ok {
		return st.bad("%s", e.Msg)
	}
	return err
}

// includeFile reads one file with the state of the line that names it, and puts
// that state back.
func (st *statement) includeFile(one *file, active bool) error {
	never := st.neverMatch
	st.neverMatch = never || !active
	state := active
	err := st.readFile(one, st.giver, &state, st.depth+1)
	st.neverMatch = never
	return err
}

// errHomeInclude refuses "~" in the system's files.
var errHomeInclude = fatalf("bad include path")

// includePath expands a word of Include to a pattern for glob. Tokens and
// variables are expanded as OpenSSH does from 9.9 on; relative names are taken
// from ~/.ssh or, in system files, /etc/ssh.
func (e *Env) includePath(w string, giver giver, t tokens) (string, error) {
	path := w
	if t != nil || !strings.Contains(w, "%") {
		var err error
		if path, err = e.expandBoth(w, t); err != nil {
			return "", err
		}
	}
	switch {
	case strings.HasPrefix(path, "~") && giver == giverSystem:
		return "", errHomeInclude
	case strings.HasPrefix(path, "~"):
		if expanded, err := e.ExpandHome(path); err == nil {
			return expanded, nil
		}
		return path, nil // glob leaves an unknown user's "~" alone
	case strings.HasPrefix(path, "/"):
		return path, nil
	case giver == giverSystem:
		return systemDir + "/" + path, nil
	}
	return filepath.Join(e.Home, ".ssh") + "/" + path, nil
}

// glob lists the files that a pattern matches, sorted by bytes as glob(3) does
// in the C locale; a name without wildcards matches when it exists.
func glob(pattern string) []string {
	if strings.ContainsAny(pattern, `*?[\`) {
		names, err := filepath.Glob(strings.ReplaceAll(pattern, "[!", "[^"))
		if err == nil {
			return withoutHidden(pattern, names)
		}
		// glob(3) takes a malformed pattern literally.
	}
	if _, err := os.Lstat(pattern); err != nil {
		return nil
	}
	return []string{pattern}
}

// withoutHidden drops names that start with a dot where the pattern does not ask for
// one.
func withoutHidden(pattern string, names []string) []string {
	want := strings.Split(pattern, "/")
	out := names[:0]
next:
	for _, name := range names {
		for i, part := range strings.Split(name, "/") {
			if strings.HasPrefix(part, ".") && i < len(want) && !strings.HasPrefix(want[i], ".") {
				continue next
			}
		}
		out = append(out, name)
	}
	return out
}

// maxFileSize bounds a file that is not a regular one.
const maxFileSize = 64 << 20

// readAll reads a file of about size bytes into one string.
func readAll(r io.Reader, size int64) (string, error) {
	var b strings.Builder
	b.Grow(int(min(max(size, 0), maxFileSize)))
	_, err := io.Copy(&b, io.LimitReader(r, maxFileSize))
	return b.String(), err
}
