package daemon

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// TestDirectoriesLook: a directory is gone through when it has changed, was
// changed so lately that another change would not show, or cannot be seen.
func TestDirectoriesLook(t *testing.T) {
	dir := t.TempDir()
	var o sshconfig.Options
	o.Control.Path = filepath.Join(dir, "ctl")
	all := []*control{{route: route.Route{Hops: []route.Hop{{Options: o}}}}}
	d := directories{}
	age := func(by time.Duration) {
		then := time.Now().Add(-by)
		if err := os.Chtimes(dir, then, then); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, changed bool) {
		t.Helper()
		if got := d.look(all)[dir]; got != changed {
			t.Errorf("%s: changed %v", what, got)
		}
	}
	age(time.Hour)
	want("the first look", true)
	want("nothing since", false)
	if err := os.WriteFile(o.Control.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want("a file made", true)
	want("just now", true)
	age(time.Minute)
	want("changed a minute ago, which is new", true)
	want("and nothing since", false)
	if err := os.Remove(o.Control.Path); err != nil {
		t.Fatal(err)
	}
	want("a file removed", true)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	want("the directory removed", true)
	want("and still", true)
}
