package sallyport_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sallyport/internal/sshconfig"
)

// layers says which of our packages each package may import: the twin of the
// table in docs/architecture.md.
var layers = map[string][]string{
	"plain":      {},
	"sshconfig":  {},
	"sshargs":    {"sshconfig"},
	"route":      {"plain", "sshconfig"},
	"inventory":  {"sshconfig", "route"},
	"hostkey":    {},
	"identity":   {},
	"race":       {},
	"hop":        {"sshconfig", "route", "hostkey", "identity", "race"},
	"pool":       {"route", "hop", "race"},
	"stdio":      {},
	"session":    {},
	"forward":    {"sshconfig"},
	"mux":        {},
	"api":        {"plain"},
	"askpass":    {},
	"atomicfile": {},
	"secret":     {"atomicfile"},
	"wake":       {},
	"daemon":     {"atomicfile", "wake", "askpass", "sshconfig", "route", "hop", "pool", "session", "stdio", "forward", "mux", "api"},
	"transfer":   {},
	"fanout":     {},
	"lab":        {},
	"bench":      {},
	"recent":     {"atomicfile"},
	"tui":        {"api"},
	"probe":      {"sshconfig", "route", "hostkey", "hop"},
	"doctor":     {"sshconfig", "route", "hostkey", "identity"},
	"cli":        {"askpass", "secret", "sshconfig", "sshargs", "route", "mux", "api", "daemon", "inventory", "transfer", "fanout", "lab", "recent", "tui", "bench", "probe", "doctor", "stdio"},
	"sshtest":    {},
}

// foreign says which packages may import what only they should know.
var foreign = map[string][]string{
	"github.com/spf13/cobra":           {"cli"},
	"charm.land/bubbletea/v2":          {"tui"},
	"charm.land/lipgloss/v2":           {"tui"},
	"golang.org/x/crypto/ssh":          {"hostkey", "identity", "hop", "pool", "session", "forward", "mux", "daemon", "lab", "probe", "doctor", "sshtest"},
	"golang.org/x/term":                {"cli", "stdio", "sshtest"},
	"github.com/creack/pty":            {"lab", "sshtest"},
	"github.com/pkg/sftp":              {"transfer"},
	"github.com/godbus/dbus/v5":        {"wake", "secret"},
	"golang.org/x/crypto/ssh/agent":    {"identity", "daemon"},
	"go.yaml.in/yaml/v3":               {"inventory"},
	"go.uber.org/goleak":               {"sshtest"},
	"github.com/google/go-cmp/cmp":     {},
	"golang.org/x/crypto/ssh/terminal": {},
}

// TestLayers holds the code against the design: data flows one way.
func TestLayers(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir("internal", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		pkg := filepath.Base(filepath.Dir(path))
		allowed, known := layers[pkg]
		if !known {
			t.Errorf("%s: package %s is not in the table", path, pkg)
			return nil
		}
		seen[pkg] = true
		for _, imported := range importsOf(t, path) {
			if ours, ok := strings.CutPrefix(imported, "sallyport/internal/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s: %s must not import %s", path, pkg, ours)
			}
			if who, limited := foreign[imported]; limited && !slices.Contains(who, pkg) {
				t.Errorf("%s: %s must not import %s", path, pkg, imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range layers {
		if !seen[pkg] {
			t.Errorf("package %s is in the table and not in the tree", pkg)
		}
	}
}

// TestLayersDocument holds the table in docs/architecture.md against layers.
func TestLayersDocument(t *testing.T) {
	document, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for line := range strings.Lines(string(document)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		pkg := strings.Trim(strings.TrimSpace(cells[0]), "`")
		allowed, known := layers[pkg]
		if len(cells) != 4 || !known {
			continue
		}
		told[pkg] = true
		var may []string
		if text := strings.TrimSpace(cells[3]); text != "–" {
			may = strings.Split(text, ", ")
		}
		slices.Sort(may)
		if want := slices.Sorted(slices.Values(allowed)); !slices.Equal(may, want) {
			t.Errorf("%s may import %v in the document and %v in layers", pkg, may, want)
		}
	}
	for pkg := range layers {
		if !told[pkg] {
			t.Errorf("package %s is in layers and not in the document", pkg)
		}
	}
}

// TestKeywordsDocument holds the table of keywords in docs/compat.md against
// the parser: none is missing, and none is invented.
func TestKeywordsDocument(t *testing.T) {
	document, err := os.ReadFile("docs/compat.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(document), "\n## Keywords\n")
	section, _, _ = strings.Cut(section, "\n## ")
	told := map[string]bool{"host": true, "match": true, "include": true}
	for line := range strings.Lines(section) {
		if row, ok := strings.CutPrefix(line, "| "); ok {
			names, _, _ := strings.Cut(row, " |")
			for name := range strings.SplitSeq(names, ", ") {
				told[strings.ToLower(name)] = true
			}
		}
	}
	delete(told, "keyword") // the table's head
	for _, name := range sshconfig.Keywords() {
		if !told[name] {
			t.Errorf("keyword %s is not in the document", name)
		}
		delete(told, name)
	}
	for name := range told {
		t.Errorf("the document has %q, which is no keyword", name)
	}
}

func importsOf(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}
