package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
	"sallyport/internal/probe"
)

func (v *verbCommand) test() *cobra.Command {
	var asJSON bool
	var limit time.Duration
	cmd := &cobra.Command{
		Use: "test HOST", Short: "test each hop on the way to a host, and say what is wrong",
		Long: `test logs in to each hop on the way to a host, one after another, over
connections of its own, and reports every stage with its time: the addresses, the
server's version, what was agreed on, the host key and where it is known, what the
server lets one log in with and what worked. Where it fails it says why, most
likely, and what to do or to ask the administrator for.

It changes nothing: no host key is recorded, no key goes to the agent, no running
connection is used or kept. What a hop asks is asked here as usual.`,
		Example: "  sally test web1                     every hop to web1\n" +
			"  sally test -J bastion 10.0.0.5      ssh's flags are taken too\n" +
			"  sally test -o BatchMode=yes web1    without questions, for scripts\n" +
			"  sally test --json web1 | jq '.hops[] | {name, ok, rtt_seconds}'",
		Args: wantsArgs(1, 1, "test needs one host"), ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, hosts []string) error {
			if limit <= 0 {
				return usageError{"--timeout must be more than nothing"}
			}
			return v.failed(v.runTest(cmd.Context(), hosts[0], limit, asJSON))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().DurationVar(&limit, "timeout", probe.DefaultLimit, "end after so long; the time that you take to answer does not count")
	return v.shaping(cmd)
}

// runTest tests the route to a host. That it is no good is the report's to
// say, so there is no error then, but exit code 1.
func (v *verbCommand) runTest(ctx context.Context, host string, limit time.Duration, asJSON bool) error {
	routes, heard, err := v.resolve(ctx, []string{host})
	if err != nil {
		return err
	}
	if err := v.tellGaps(heard, false); err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	show := &testPrinter{out: v.out, live: isTerminal(v.Stdout), quiet: asJSON}
	show.route(routes[0].String())
	v.answers.know(routes[0])
	report := probe.Run(ctx, probe.Config{
		Route: routes[0], Limit: limit, Began: show.began, Ended: show.ended,
		Asker: testAsker{person: v.newPerson(), env: v.Environ, dir: dir, before: show.clear},
	})
	if ctx.Err() != nil {
		show.clear()
		return context.Cause(ctx)
	}
	advise(report)
	if !report.OK {
		v.code = exitFailed
	}
	if asJSON {
		return v.printJSON(report)
	}
	show.verdict(report)
	return nil
}

// advise adds our words to the report's failures.
func advise(r *probe.Report) {
	for _, h := range r.Hops {
		if h.Failure == nil {
			continue
		}
		if a, ok := adviceFor(failureOf(h)); ok {
			h.Failure.Why, h.Failure.Advice = a.why, a.do
		}
	}
}

func failureOf(h *probe.Hop) failure {
	return failure{hop: h.Name, via: h.Via, addr: h.Addr, stage: h.Failure.Stage, cause: string(h.Failure.Cause)}
}

// testAsker lets a test ask the person at the terminal. It is a probe.Asker.
type testAsker struct {
	person *person
	env    []string
	dir    string
	before func() // a question is asked, or something told
}

// Origin is probe.Asker's.
func (a testAsker) Origin() probe.Origin { return probe.Origin{Env: a.env, Dir: a.dir} }

// Ask is probe.Asker's.
func (a testAsker) Ask(ctx context.Context, q probe.Question) (string, error) {
	a.before()
	text, err := a.person.Ask(ctx, api.Question{Hop: q.Hop, Kind: string(q.Kind), Intro: q.Intro, Text: q.Text, Echo: q.Echo})
	switch {
	case errors.Is(err, api.ErrNobody):
		return "", probe.ErrNobody
	case errors.Is(err, api.ErrCancelled):
		return "", probe.ErrCancelled
	}
	return text, err
}

// Tell is probe.Asker's.
func (a testAsker) Tell(n probe.Notice) {
	if n.Kind == "debug" {
		return
	}
	a.before()
	a.person.Tell(api.Notice{Hop: n.Hop, Kind: string(n.Kind), Text: n.Text})
}

// failedHop is the first hop that failed, nil when none did.
func failedHop(r *probe.Report) *probe.Hop {
	i := slices.IndexFunc(r.Hops, func(h *probe.Hop) bool { return h.Failure != nil })
	if i < 0 {
		return nil
	}
	return r.Hops[i]
}

// seconds is a duration as reports have it.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func took(s float64) string { return fmt.Sprintf("%7s", shortDuration(seconds(s))) }
