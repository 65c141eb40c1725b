package daemon

import (
	"context"
	"errors"
	"strings"

	"sallyport/internal/api"
	"sallyport/internal/hop"
)

// asker lets a dial ask the person behind an api request.
type asker struct {
	api *api.Asker
	req *api.Request
}

func (a asker) Origin() hop.Origin { return hop.Origin{Env: a.req.Env, Dir: a.req.Dir} }

func (a asker) Ask(ctx context.Context, q hop.Question) (string, error) {
	text, err := a.api.Ask(ctx, api.Question{Hop: q.Hop, Kind: string(q.Kind), Intro: q.Intro, Text: q.Text, Echo: q.Echo})
	switch {
	case errors.Is(err, api.ErrNobody):
		return "", hop.ErrNobody
	case errors.Is(err, api.ErrCancelled):
		return "", hop.ErrCancelled
	}
	return text, err
}

func (a asker) Tell(n hop.Notice) {
	if n.Kind == hop.NoticeDebug && !wants(a.api.Debug(), n.Text) {
		return
	}
	a.api.Tell(api.Notice{Hop: n.Hop, Kind: string(n.Kind), Text: n.Text})
}

// wants reports whether a debugging text is within the level asked for.
func wants(level int, text string) bool {
	rest, ok := strings.CutPrefix(text, "debug")
	return ok && len(rest) > 0 && int(rest[0]-'0') <= level
}
