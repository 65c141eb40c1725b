package route

import (
	"context"
	"fmt"
	"testing"

	"sallyport/internal/sshconfig"
)

// counting answers each question with the number of it.
type counting struct{ asked int }

func (c *counting) Resolve(context.Context, sshconfig.Query) (*sshconfig.Resolved, error) {
	c.asked++
	return &sshconfig.Resolved{Warnings: []string{fmt.Sprint(c.asked)}}, nil
}

func TestMemory(t *testing.T) {
	c := new(counting)
	m := NewMemory(c)
	ask := func(ctx context.Context, q sshconfig.Query) string {
		r, err := m.Resolve(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		return r.Warnings[0]
	}
	port := []sshconfig.Override{{Keyword: "Port", Value: "2222"}}
	ended, end := context.WithCancel(t.Context())
	end()
	for i, test := range []struct {
		ctx  context.Context
		q    sshconfig.Query
		want string
	}{
		{t.Context(), sshconfig.Query{Host: "a"}, "1"},
		{t.Context(), sshconfig.Query{Host: "a"}, "1"},
		{t.Context(), sshconfig.Query{Host: "a", Overrides: port}, "2"},
		{t.Context(), sshconfig.Query{Host: "a", Overrides: port}, "2"},
		{t.Context(), sshconfig.Query{Host: "a", PrintOnly: true}, "3"},
		{t.Context(), sshconfig.Query{Host: "passing", Overrides: port}, "4"},
		{t.Context(), sshconfig.Query{Host: "passing", Overrides: port}, "5"},
		{ended, sshconfig.Query{Host: "b"}, "6"}, // may be an answer to the end
		{t.Context(), sshconfig.Query{Host: "b"}, "7"},
	} {
		m.Passing = "passing"
		if got := ask(test.ctx, test.q); got != test.want {
			t.Errorf("question %d has answer %s, want %s", i, got, test.want)
		}
	}
}
