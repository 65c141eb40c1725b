package tui

import (
	"strings"
	"testing"
)

// TestChoices finds a jump server by its name, though others are listed before
// it whose way leads through it.
func TestChoices(t *testing.T) {
	list := &choices{all: []Choice{
		{"behind", "gate → behind"}, {"gate2", "gate2"}, {"oldgate", "oldgate"}, {"gate", "gate"}, {"web", "web"},
	}}
	for _, test := range []struct{ typed, want string }{
		{"", "behind gate2 oldgate gate web"},
		{"gate", "gate gate2 oldgate behind"},
		{"GATE2", "gate2"},
		{"→ b", "behind"},
		{"x", ""},
	} {
		list.filter.text = test.typed
		var got []string
		for _, c := range list.hits() {
			got = append(got, c.Value)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%q finds %q, want %q", test.typed, got, test.want)
		}
	}
}
