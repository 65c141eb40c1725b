package tui

import (
	"errors"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// TestDetailOfError shows why there is no route to its end, in as many rows as
// there are.
func TestDetailOfError(t *testing.T) {
	why := "/home/alice/.ssh/config: line 16: Bad configuration option: nonsense"
	m := &model{style: newStyles()}
	m.hosts.wanted, m.hosts.routes = "a", map[string]routeOf{"a": {err: errors.New(why)}}
	if got := ansi.Strip(strings.Join(m.drawDetail(30, 10)[2:], " ")); strings.Join(strings.Fields(got), " ") != why {
		t.Errorf("%q", got)
	}
	if rows := m.drawDetail(30, 3); len(rows) != 3 {
		t.Errorf("%q", rows)
	}
}
