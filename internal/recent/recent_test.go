package recent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func list(t *testing.T, f File) string {
	t.Helper()
	all, err := f.Load()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Host)
	}
	return strings.Join(names, " ")
}

func TestAdd(t *testing.T) {
	f := Path(t.TempDir(), "")
	if got := list(t, f); got != "" {
		t.Errorf("without a file: %q", got)
	}
	for i, host := range []string{"a", "b", "c", "a", "a", "", "x\ny", strings.Repeat("z", 300)} {
		if err := f.Add(host, noon.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(t, f); got != "a c b" {
		t.Errorf("recent: %q", got)
	}
	for name, want := range map[string]os.FileMode{string(f): 0o600, filepath.Dir(string(f)): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode().Perm(), err, want)
		}
	}
}

func TestAddWritesOnceAMinute(t *testing.T) {
	f := Path(t.TempDir(), "")
	if err := f.Add("a", noon); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(string(f))
	if err := f.Add("a", noon.Add(59*time.Second)); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(string(f)); !os.SameFile(before, after) {
		t.Error("written again")
	}
	if err := f.Add("a", noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if all, _ := f.Load(); len(all) != 1 || !all[0].Used.Equal(noon.Add(time.Hour)) {
		t.Errorf("later: %v", all)
	}
}

func TestBounded(t *testing.T) {
	f := Path(t.TempDir(), "")
	for i := range most + 50 {
		if err := f.Add(fmt.Sprint("host", i), noon.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	all, err := f.Load()
	if err != nil || len(all) != most || all[0].Host != fmt.Sprint("host", most+49) {
		t.Errorf("%d entries, %v", len(all), err)
	}
}

func TestOddFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"nonsense": "what\n\n2026-11-21T12:00:00Z\nyesterday host\n2026-11-21T12:00:00Z good\n",
		"long":     strings.Repeat("x", 70000) + "\n",
		"huge":     strings.Repeat("2026-11-21T12:00:00Z h\n", 10000),
	} {
		f := File(filepath.Join(dir, name))
		if err := os.WriteFile(string(f), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := f.Add("new", noon.Add(time.Hour)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := list(t, f); !strings.HasPrefix(got, "new") {
			t.Errorf("%s: %q", name, got)
		}
	}
	if err := File(dir).Add("a", noon); err == nil {
		t.Error("a directory was taken for the file")
	}
}

func TestManyWriters(t *testing.T) {
	f := Path(t.TempDir(), "")
	var tasks sync.WaitGroup
	for i := range 20 {
		tasks.Go(func() {
			for j := range 10 {
				if err := f.Add(fmt.Sprint(i, "-", j), noon); err != nil {
					t.Error(err)
				}
				if _, err := f.Load(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	tasks.Wait()
	if left, _ := os.ReadDir(filepath.Dir(string(f))); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPath(t *testing.T) {
	for _, test := range []struct{ state, want string }{
		{"", "/home/a/.local/state/sally/recent"}, {"relative", "/home/a/.local/state/sally/recent"}, {"/var/x", "/var/x/sally/recent"},
	} {
		if got := Path(test.state, "/home/a"); string(got) != test.want {
			t.Errorf("%q: %s", test.state, got)
		}
	}
}
