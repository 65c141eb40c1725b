package tui

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// listing is an inventory that only lists.
type listing struct{ hosts []Host }

func (l *listing) Hosts(context.Context) ([]Host, error)        { return l.hosts, nil }
func (l *listing) Details(context.Context) ([]Host, error)      { return l.hosts, nil }
func (l *listing) Route(context.Context, string) (Route, error) { return Route{}, nil }

// TestAddedIsSelected selects the host that was added, wherever it stands in the
// list and whatever is typed, and leaves the selection when none was.
func TestAddedIsSelected(t *testing.T) {
	var many []Host
	for i := range 100 {
		many = append(many, Host{Name: fmt.Sprintf("web%02d", i)})
	}
	for _, test := range []struct {
		typed, added, query, want string
		last                      bool
	}{
		{"", "new", "", "new", false},
		{"", "new", "", "new", true},
		{"web5", "new", "", "new", true},
		{"web5", "web5-new", "web5", "web5-new", true},
		{"web5", "xweb5", "web5", "xweb5", false},
		{"web5", "", "web5", "web52", false},
	} {
		inv := &listing{many}
		m := newModel(t.Context(), Config{Inventory: inv}, new(sync.WaitGroup))
		m.Update(m.loadHosts(nil)())
		m.hosts.query.text = test.typed
		m.hosts.find(m)
		m.hosts.cursor.at = 2
		before := m.hosts.names()
		switch {
		case test.added != "" && test.last:
			inv.hosts = append(many[:len(many):len(many)], Host{Name: test.added})
		case test.added != "":
			inv.hosts = append([]Host{{Name: test.added}}, many...)
		}
		_, again := m.Update(doneMsg{reload: true, before: before})
		m.Update(again())
		for _, when := range []string{"by name", "in full"} {
			if got := m.hosts.destination(); got != test.want || m.hosts.query.text != test.query || m.hosts.wanted != got {
				t.Errorf("%+v, %s: %q is selected, %q typed", test, when, got, m.hosts.query.text)
			}
			from, to := m.hosts.cursor.window(len(m.hosts.hits), m.listHeight())
			if at := m.hosts.cursor.at; at < from || at >= to {
				t.Errorf("%+v, %s: row %d is not among %d to %d", test, when, at, from, to)
			}
			m.Update(m.loadDetails()())
		}
	}
}
