package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestAdviceForEachCause holds the advice against the causes of package hop,
// which this one must not import.
func TestAdviceForEachCause(t *testing.T) {
	source, err := os.ReadFile("../hop/cause.go")
	if err != nil {
		t.Fatal(err)
	}
	none := map[string]bool{"": true, "cancelled": true, "lost": true} // the error says it all
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\tCause\w+ +Cause = "([^"]*)"`).FindAllStringSubmatch(string(source), -1) {
		cause := m[1]
		seen[cause] = true
		a, ok := adviceFor(failure{hop: "web1", via: "bastion", addr: "[::1]:22", cause: cause})
		if ok == none[cause] {
			t.Errorf("cause %q: advice is %v", cause, ok)
		}
		if text := a.why + a.do; strings.ContainsAny(text, "{}") || strings.Contains(text, "  ") {
			t.Errorf("cause %q: %q", cause, text)
		}
	}
	for _, table := range []map[string]advice{adviceTable, adviceBehind} {
		for cause := range table {
			if !seen[cause] {
				t.Errorf("advice is given for %q, which is no cause", cause)
			}
		}
	}
}
