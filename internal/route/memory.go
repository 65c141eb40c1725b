package route

import (
	"context"
	"fmt"

	"sallyport/internal/sshconfig"
)

// Memory is a Resolver that asks each question once: for many routes, which
// have jump hosts in common. It is not safe for concurrent use.
type Memory struct {
	res   Resolver
	known map[string]known
	// Passing is a host whose answers are not kept, since nobody asks again.
	Passing string
}

type known struct {
	r   *sshconfig.Resolved
	err error
}

// NewMemory remembers what res answers.
func NewMemory(res Resolver) *Memory { return &Memory{res: res, known: make(map[string]known)} }

// Resolve is Resolver's.
func (m *Memory) Resolve(ctx context.Context, q sshconfig.Query) (*sshconfig.Resolved, error) {
	key := fmt.Sprintf("%#v", q) // with all that a question may ever have
	if a, ok := m.known[key]; ok {
		return a.r, a.err
	}
	r, err := m.res.Resolve(ctx, q)
	if q.Host != m.Passing && ctx.Err() == nil {
		m.known[key] = known{r, err}
	}
	return r, err
}
