package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/mux"
	"sallyport/internal/transfer"
)

// copyFlags are those of cp.
type copyFlags struct {
	recursive, follow, resume, checksum, plain, inPlace bool
	quiet, json                                         bool
	workers                                             int
}

func (v *verbCommand) cp() *cobra.Command {
	var f copyFlags
	links := false
	cmd := &cobra.Command{
		Use: "cp SOURCE… TARGET", Short: "copy files and trees to, from and between hosts",
		Long: `cp copies over the open connections: to a host, from a host, or from one host to
another, through here. An operand on a host is [user@]HOST:PATH, relative to the
home directory there; one with a slash before its first colon is local.

A file gets its name when it is whole; times and permissions are kept. What cannot
be read is told, the rest is copied, and the exit code is 1.`,
		Example: `  sally cp notes.txt web1:             into the home directory
  sally cp -r web1:/etc/nginx .        a tree, to here
  sally cp -r web1:site web2:/srv/     from one host to another
  sally cp -c image.iso web1:/data/    go on with a copy that was cut off
  sally cp --checksum 'web1:*.log' .   and compare checksums of both sides`,
		ValidArgsFunction: v.completeOperands,
		RunE: func(cmd *cobra.Command, words []string) error {
			if len(words) < 2 {
				return usageError{"cp needs a source and a target"}
			}
			return v.failed(v.copyFiles(cmd.Context(), words, f))
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&f.recursive, "recursive", "r", false, "copy directories with all that is in them")
	flags.BoolVarP(&f.resume, "resume", "c", false, "leave alone what is there with the same size and time, and go on with what was cut off")
	flags.BoolVar(&f.checksum, "checksum", false, "compare SHA-256 checksums of both sides")
	flags.BoolVarP(&f.follow, "follow", "L", false, "copy what symbolic links in trees lead to")
	flags.BoolVarP(&links, "links", "P", false, "copy symbolic links in trees as links; this is the rule")
	flags.BoolVar(&f.plain, "no-preserve", false, "give copies the times and permissions of new files")
	flags.BoolVar(&f.inPlace, "in-place", false, "write into existing files instead of replacing them")
	flags.IntVar(&f.workers, "workers", 0, "copy this `number` of files at once")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress and no summary")
	flags.BoolVar(&f.json, "json", false, "print what happens as JSON lines")
	cmd.MarkFlagsMutuallyExclusive("follow", "links")
	return v.shaping(cmd)
}

// copyFiles is the verb cp.
func (v *verbCommand) copyFiles(ctx context.Context, words []string, f copyFlags) error {
	operands, err := parseOperands(words)
	if err != nil {
		return err
	}
	v.voice.setLevel(levelInfo + v.verboseLevel())
	ends := &copyEnds{verbCommand: v, open: map[string]*copyEnd{}}
	defer ends.close()
	places, err := ends.places(ctx, operands)
	if err != nil {
		return err
	}
	show := v.newCopyShow(f)
	totals, err := transfer.Copy(ctx, transfer.Config{
		Sources: places[:len(places)-1], Target: places[len(places)-1],
		Recursive: f.recursive, Follow: f.follow, Resume: f.resume, Checksum: f.checksum,
		Plain: f.plain, InPlace: f.inPlace, Workers: f.workers, Observe: show.observe,
	})
	show.end(totals, err == nil)
	if err != nil {
		return ends.why(err)
	}
	if totals.Failed > 0 {
		return fmt.Errorf("%s not copied", plural(totals.Failed, "thing"))
	}
	return nil
}

// parseOperands reads the words of a copy's command line.
func parseOperands(words []string) ([]transfer.Operand, error) {
	var all []transfer.Operand
	remote := false
	for _, w := range words {
		o, err := transfer.ParseOperand(w)
		if err != nil {
			return nil, usageError{err.Error()}
		}
		remote = remote || o.Remote()
		all = append(all, o)
	}
	if !remote {
		return nil, usageError{"all of it is here: cp(1) copies local files; a path on a host is HOST:PATH"}
	}
	return all, nil
}

// copyEnds are the hosts of a copy, each connected to once.
type copyEnds struct {
	*verbCommand
	open map[string]*copyEnd
}

type copyEnd struct {
	far     *far
	session *farSession
	tree    *transfer.Remote
}

// places connects to the hosts of the operands.
func (e *copyEnds) places(ctx context.Context, operands []transfer.Operand) ([]transfer.Place, error) {
	who := e.newPerson()
	var places []transfer.Place
	for _, o := range operands {
		p := transfer.Place{Path: o.Path}
		if o.Remote() {
			end, err := e.connect(ctx, o.Host, who)
			if err != nil {
				return nil, err
			}
			p.Tree = end.tree
		}
		places = append(places, p)
	}
	return places, nil
}

func (e *copyEnds) connect(ctx context.Context, host string, who *person) (*copyEnd, error) {
	if end := e.open[host]; end != nil {
		return end, nil
	}
	f, err := e.verbCommand.far(ctx, host, who)
	if err != nil {
		return nil, err
	}
	end, err := f.sftp(ctx, host)
	if err != nil {
		return nil, err
	}
	e.open[host] = end
	return end, nil
}

// sftp opens a session of the subsystem.
func (f *far) sftp(ctx context.Context, host string) (*copyEnd, error) {
	session, err := f.session(ctx, "copy", &mux.SessionRequest{Subsystem: true, Command: "sftp"})
	if err != nil {
		return nil, err
	}
	tree, err := transfer.NewRemote(ctx, transfer.Far{Host: host, SFTP: session,
		Shell: func(ctx context.Context, command string) (transfer.Session, error) {
			return f.session(ctx, "checksum", &mux.SessionRequest{Command: command})
		}})
	if err != nil {
		defer session.Abort()
		return nil, session.why(fmt.Errorf("%s: %w", f.route.Target().Name, err))
	}
	return &copyEnd{far: f, session: session, tree: tree}, nil
}

// close ends the sessions; the connections stay.
func (e *copyEnds) close() {
	for _, end := range e.open {
		end.tree.Close()
	}
}

// why adds what a lost server said last.
func (e *copyEnds) why(err error) error {
	var lost *transfer.LostError
	if errors.As(err, &lost) && e.open[lost.Host] != nil {
		return e.open[lost.Host].session.why(err)
	}
	return err
}
