package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
)

func (v *verbCommand) logs() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use: "logs [HOST]", Short: "show what the daemon did; with -v in detail",
		Example: "  sally logs -f jump1", Args: wantsArgs(0, 1, "logs takes one host"), ValidArgsFunction: v.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			hop := ""
			if len(args) > 0 {
				inv, err := v.destination(args[0])
				if err != nil {
					return v.failed(err)
				}
				hop = inv.Host
			}
			return v.failed(v.showLogs(cmd.Context(), hop, follow))
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	return v.shaping(cmd)
}

// showLogs prints the daemon's log, or the file that the last daemon left.
func (v *verbCommand) showLogs(ctx context.Context, hop string, follow bool) error {
	found := false
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	show := func(rec api.Record) {
		found = true
		v.printRecord(rec)
		if lost, _ := v.out.failed(); lost {
			cancel() // -f would go on for nobody
		}
	}
	conn, err := v.dialDaemon(ctx)
	switch {
	case errors.Is(err, errNoDaemon) && !follow:
		err = v.oldLogs(hop, show)
	case err == nil:
		defer conn.Close()
		r := &api.Request{Op: api.OpLogs, Hop: hop, Follow: follow, Debug: v.verbose}
		err = v.watched(ctx, conn, func(ctx context.Context) error { return api.Logs(ctx, conn, r, show) })
	}
	if lost, _ := v.out.failed(); lost {
		return nil
	}
	if err == nil && hop != "" && !found {
		return fmt.Errorf("nothing is recorded for %s", hop)
	}
	return err
}

// oldLogs shows what is in the log file of a daemon that is no more.
func (v *verbCommand) oldLogs(hop string, show func(api.Record)) error {
	dir, err := v.runtimeDir()
	if err != nil {
		return err
	}
	records, err := dir.ReadLog()
	if errors.Is(err, fs.ErrNotExist) {
		return errNoDaemon
	}
	if err != nil {
		return err
	}
	v.voice.say(levelInfo, "sally: no daemon is running; this is from "+dir.LogFile())
	for _, rec := range records {
		if hop == "" || rec.Hop == hop {
			show(rec)
		}
	}
	return nil
}

func (v *verbCommand) printRecord(r api.Record) {
	var extra strings.Builder
	for _, key := range slices.Sorted(mapKeys(r.Attrs)) {
		fmt.Fprintf(&extra, " %s=%q", key, r.Attrs[key])
	}
	name := r.Hop
	if name != "" {
		name += ": "
	}
	line := fmt.Sprintf("%s %-5s %s%s%s", r.Time.Local().Format("2006-01-02 15:04:05.000"), r.Level, name, r.Message, extra.String())
	fmt.Fprintln(v.out, visible(strings.ReplaceAll(line, "\n", " ")))
}
