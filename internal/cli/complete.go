package cli

import (
	"context"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
	"sallyport/internal/transfer"
)

// completeTime bounds what a completion may take.
const completeTime = 2 * time.Second

// completeOperands offers hosts, and the paths on a host that is connected. It
// never connects to one.
func (v *verbCommand) completeOperands(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	o, err := transfer.ParseOperand(word)
	if err == nil && o.Remote() {
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
		defer cancel()
		return v.remotePaths(ctx, word, o), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	if strings.ContainsAny(word, "/.~") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	names, _ := v.completeHosts(cmd, args, word)
	var hosts []string
	for _, n := range names {
		if strings.HasPrefix(n, word) {
			hosts = append(hosts, n+":")
		}
	}
	if len(hosts) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return hosts, cobra.ShellCompDirectiveNoSpace
}

// remotePaths lists the paths on a connected host that begin with a word.
func (v *verbCommand) remotePaths(ctx context.Context, word string, o transfer.Operand) []string {
	routes, err := v.routes(ctx, []string{o.Host})
	if err != nil || !v.isUp(ctx, string(routes[0].Key())) {
		return nil
	}
	f := &far{verbCommand: v, route: routes[0], options: routes[0].Target().Options, who: silent{}}
	end, err := f.sftp(ctx, o.Host)
	if err != nil {
		return nil
	}
	defer end.tree.Close()
	typed := word[strings.Index(word, ":")+1:]
	if strings.HasPrefix(word, "scp://") || strings.HasPrefix(word, "[") || strings.Contains(word, "@[") {
		return nil // their colons are not where a shell looks
	}
	dir, _ := cutLast(typed)
	infos, err := end.tree.List(ctx, dir)
	if err != nil {
		return nil
	}
	var found []string
	for _, info := range infos {
		if path := dir + info.Name() + slash(info); strings.HasPrefix(path, typed) && fitsCompletion(path) {
			found = append(found, word[:len(word)-len(typed)]+path)
		}
	}
	return found
}

// cutLast divides a path behind its last slash.
func cutLast(path string) (dir, rest string) {
	at := strings.LastIndexByte(path, '/') + 1
	return path[:at], path[at:]
}

func slash(info fs.FileInfo) string {
	if info.IsDir() {
		return "/"
	}
	return ""
}

// fitsCompletion leaves out what the shells' scripts cannot take.
func fitsCompletion(path string) bool {
	return shown(path) == path && !strings.ContainsRune(path, '\t')
}

// isUp reports whether there is a live connection of a route.
func (v *verbCommand) isUp(ctx context.Context, key string) bool {
	result, err := v.tell(ctx, &api.Request{Op: api.OpStatus})
	if err != nil || result.Status == nil {
		return false
	}
	for _, m := range result.Status.Masters {
		if m.Key == key && m.State == "up" {
			return true
		}
	}
	return false
}

// silent is nobody: it neither answers nor prints.
type silent struct{}

func (silent) Ask(context.Context, api.Question) (string, error) { return "", api.ErrNobody }
func (silent) Tell(api.Notice)                                   {}
