package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/sshconfig"
)

// fileChecks are about the configuration's files as such.
var fileChecks = []check{
	{"ssh-dir-mode", Error, "whoever can write there can change your configuration, known_hosts and keys", "chmod 700", findDirMode},
	{"config-mode", Error, "ssh refuses a configuration that others may write: it can run commands as you", "chmod 600", findConfigMode},
	{"config-syntax", Error, "ssh stops at the first file with a line it cannot read: no host can be reached", "correct the line", findSyntax},
	{"unknown-keyword", Error, "ssh stops at a keyword that it does not know, unless IgnoreUnknown names it", "correct its name, or take the line out", findUnknown},
	{"own-keyword", Error, "plain ssh does not know the keyword and refuses the whole file; scp, git and others with it", "put it into IgnoreUnknown, on the first line", findUnshielded},
	{"obsolete-keyword", Note, "ssh has no such option any more and says so, or silently ignores it", "take the line out", findObsolete},
}

func itoa(n int) string { return strconv.Itoa(n) }

// writable reports whether others than the owner may write a file.
func writable(info fs.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }

func findDirMode(s *setup) []Finding {
	dir := s.sshDir()
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() || info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	if uid, known := ownerOf(info); known && uid != s.env.UID && uid != 0 {
		return []Finding{{File: dir, What: fmt.Sprintf("%s belongs to user %d, not to you", dir, uid), Fix: "have it given to you (chown)"}}
	}
	if !writable(info) {
		return nil
	}
	return []Finding{{File: dir, What: fmt.Sprintf("%s may be written by others (mode %04o)", dir, info.Mode().Perm()),
		Fix: "chmod 700 " + dir, Fixes: []Fix{{Op: Chmod, File: dir, Mode: 0o700}}}}
}

// configFiles are the user's files of the configuration, also one that ssh
// refuses.
func (s *setup) configFiles() []string {
	files := []string{s.File}
	if s.File == "" {
		files[0] = filepath.Join(s.env.Home, ".ssh", "config")
	}
	if s.files != nil {
		for _, name := range s.files.Included() {
			if !slices.Contains(files, name) && !s.system(name) {
				files = append(files, name)
			}
		}
	}
	return files
}

func findConfigMode(s *setup) []Finding {
	var found []Finding
	for _, file := range s.configFiles() {
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		switch uid, known := ownerOf(info); {
		case known && uid != s.env.UID && uid != 0:
			found = append(found, Finding{File: file, What: fmt.Sprintf("it belongs to user %d, not to you", uid), Fix: "have it given to you (chown)"})
		case writable(info):
			found = append(found, Finding{File: file, What: fmt.Sprintf("others may write it (mode %04o)", info.Mode().Perm()),
				Fix: "chmod 600 " + file, Fixes: []Fix{{Op: Chmod, File: file, Mode: 0o600}}})
		}
	}
	return found
}

// findSyntax reports what keeps the configuration from being read. A refused
// owner or mode is config-mode's, and an unknown keyword unknown-keyword's.
func findSyntax(s *setup) []Finding {
	err := s.loadErr
	if err == nil && s.general != nil {
		err = s.general.err
	}
	if err == nil {
		return nil
	}
	var bad *sshconfig.BadLines
	lines := []error{err}
	if errors.As(err, &bad) {
		lines = bad.Unwrap()
	}
	unknown, refused := findUnknown(s), len(findConfigMode(s)) > 0
	var found []Finding
	for _, e := range lines {
		f := Finding{What: e.Error()}
		var where *sshconfig.Error
		if errors.As(e, &where) {
			f.File, f.Line, f.What = where.File, where.Line, where.Msg
		}
		if f.File == "" && refused { // that is why
			continue
		}
		if !slices.ContainsFunc(unknown, func(u Finding) bool { return u.File == f.File && u.Line == f.Line }) {
			found = append(found, f)
		}
	}
	return found
}

func findUnknown(s *setup) []Finding {
	var found []Finding
	for _, st := range s.statements {
		if st.Keyword != "" || st.Ignored {
			continue
		}
		f := Finding{File: st.File, Line: st.Line, What: fmt.Sprintf("unknown keyword %q", st.Key), Hosts: named(st.Block)}
		if near := nearest(strings.ToLower(st.Key), sshconfig.Keywords()); near != "" {
			f.Fix = "did you mean " + near + "?"
		}
		found = append(found, f)
	}
	return found
}

// nearest is the word that is least different, "" when none is near.
func nearest(word string, among []string) string {
	best, least := "", 1+len(word)/4
	for _, w := range among {
		if d := distance(word, w); d <= least {
			best, least = w, d-1
		}
	}
	return best
}

// distance is how many letters must be changed, put in or taken out.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}

func findUnshielded(s *setup) []Finding {
	if s.files == nil {
		return nil
	}
	bare := s.files.Unshielded()
	if len(bare) == 0 {
		return nil
	}
	value := strings.Join(append(s.files.IgnoredUnknown(), missing(s.files.IgnoredUnknown(), bare)...), ",")
	fix := Fix{Op: SetFirst, File: s.files.UserFile(), Keyword: "IgnoreUnknown", Value: value}
	var found []Finding
	for _, b := range bare {
		f := Finding{File: b.File, Line: b.Line, What: fmt.Sprintf("%s is Sallyport's own, and no IgnoreUnknown for every host names it before", b.Keyword),
			Fix: "begin " + fix.File + " with \"IgnoreUnknown " + value + "\""}
		if fix.File != "" {
			f.Fixes = []Fix{fix}
		}
		found = append(found, f)
	}
	return found
}

// missing are our keywords that are not ignored yet, as they are written.
func missing(ignored []string, bare []sshconfig.Bare) []string {
	var names []string
	for _, own := range sshconfig.OwnKeywords() {
		used := slices.ContainsFunc(bare, func(b sshconfig.Bare) bool { return strings.EqualFold(b.Keyword, own) })
		if used && !slices.ContainsFunc(ignored, func(p string) bool { return strings.EqualFold(p, own) }) {
			names = append(names, own)
		}
	}
	return names
}

func findObsolete(s *setup) []Finding {
	var found []Finding
	for _, st := range s.statements {
		if st.Obsolete && !st.System {
			found = append(found, Finding{File: st.File, Line: st.Line, What: st.Key + " has no effect", Hosts: named(st.Block),
				Fixes: []Fix{{Op: DeleteLine, File: st.File, Line: st.Line}}})
		}
	}
	return found
}
