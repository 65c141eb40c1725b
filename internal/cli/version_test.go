package cli

import "testing"

func TestVersionLine(t *testing.T) {
	t.Parallel()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	for _, c := range []struct {
		build Build
		want  string
	}{
		{Build{Version: "1.2.0", Commit: commit, Date: "2026-01-02T03:04:05Z"}, "sally 1.2.0 (commit 0123456789ab, 2026-01-02)"},
		{Build{Version: "1.2.0", Commit: commit + "+changes"}, "sally 1.2.0 (commit 0123456789ab+changes)"},
		{Build{Version: "1.2.0", Commit: "odd", Date: "x"}, "sally 1.2.0 (commit odd)"},
	} {
		a := &App{Version: c.build.Version, build: c.build}
		if got := a.versionReport().String(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.build, got, c.want)
		}
	}
	if got := (versionReport{Version: "1"}).String(); got != "sally 1" {
		t.Errorf("%q", got)
	}
}
