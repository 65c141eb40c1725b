package doctor

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// row is a check's line in docs/verbs/doctor.md.
func row(c About) string {
	return fmt.Sprintf("| `%s` | %s | %s | %s |", c.ID, c.Severity, c.Why, c.Fix)
}

// TestDocument holds the document's list of checks against the table.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/verbs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, c := range Checks() {
		rows = append(rows, row(c))
	}
	if want := strings.Join(rows, "\n"); !strings.Contains(string(text), want) {
		t.Errorf("docs/verbs/doctor.md must have these lines, one after another:\n%s", want)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `") && !strings.Contains(strings.Join(rows, "\n"), strings.TrimSpace(line)) {
			t.Errorf("no check for %s", line)
		}
	}
}
