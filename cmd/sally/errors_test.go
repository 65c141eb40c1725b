package main_test

import (
	"strings"
	"testing"
)

// wantError fails unless standard error is one line that begins with "sally: "
// and the first text, a hint at most, and all texts are in it in their order.
func wantError(t testing.TB, r result, first string, more ...string) {
	t.Helper()
	if !strings.HasPrefix(r.err, "sally: "+first) {
		t.Errorf("stderr does not begin with %q:\n%s", "sally: "+first, r.err)
		return
	}
	for i, line := range strings.Split(strings.TrimRight(r.err, "\r\n"), "\n") {
		if i > 1 || (i == 1 && !strings.HasPrefix(line, "  hint: ")) {
			t.Errorf("stderr is more than a line and a hint:\n%s", r.err)
		}
	}
	rest := r.err[len("sally: "+first):]
	for _, text := range more {
		i := strings.Index(rest, text)
		if i < 0 {
			t.Errorf("stderr lacks %q, or has it too early:\n%s", text, r.err)
			return
		}
		rest = rest[i+len(text):]
	}
}
