package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/sshargs"
	"sallyport/internal/sshconfig"
)

// isCompletion reports whether a verb is the shells' question, in cobra's
// protocol: the words of the command line, the last one unfinished.
func isCompletion(verb string) bool {
	return verb == cobra.ShellCompRequestCmd || verb == cobra.ShellCompNoDescRequestCmd
}

// complete answers it: for an ssh command line itself, for a verb by cobra.
// Nothing is dialled, and no file but the configuration is read.
func (a *App) complete(verb string, words []string) int {
	if len(words) == 0 {
		return a.verbs([]string{verb})
	}
	before, word := words[:len(words)-1], words[len(words)-1]
	at := sshargs.Operand(before)
	plain := !slices.Contains(before[:max(at, 0)], "--") && (at >= 0 || !slices.Contains(before, "--"))
	if at >= 0 && plain && before[at] == "ssh" {
		before = slices.Delete(slices.Clone(before), at, at+1)
		at, plain = sshargs.Operand(before), false
	} else if at >= 0 && plain && a.isVerb(before[at]) {
		ordered := append([]string{verb, before[at]}, before[:at]...)
		return a.verbs(append(append(ordered, before[at+1:]...), word))
	}
	found, directive := a.completeSSH(before, at, word, plain)
	for _, f := range found {
		fmt.Fprintln(a.out, f)
	}
	fmt.Fprintf(a.out, ":%d\n", directive)
	return exitOK
}

// completeSSH offers what may stand behind the words of an ssh command line.
func (a *App) completeSSH(before []string, at int, word string, verbs bool) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	if flag := sshargs.Awaited(before); flag != 0 {
		return a.completeValue(flag, before, word)
	}
	switch {
	case at >= 0:
		return nil, cobra.ShellCompDirectiveDefault // of the remote command: a guess at files
	case strings.HasPrefix(word, "-"):
		return beginning(append(sshargs.Letters(), "--no-daemon", "--help", "--version"), word), none
	}
	found := hostsLike(a.configuredHosts(configOf(before)), word)
	if verbs {
		root := (&verbCommand{App: a}).root()
		root.InitDefaultHelpCmd()
		for _, c := range root.Commands() {
			if c.IsAvailableCommand() && strings.HasPrefix(c.Name(), word) {
				found = append(found, c.Name()+"\t"+c.Short)
			}
		}
		found = append(found, beginning([]string{"ssh"}, word)...)
	}
	return found, none
}

// completeValue offers arguments of one of ssh's flags.
func (a *App) completeValue(flag byte, before []string, word string) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	switch flag {
	case 'J':
		return a.completeJumps(configOf(before), word), none | cobra.ShellCompDirectiveNoSpace
	case 'F', 'i', 'E', 'S', 'I':
		return nil, cobra.ShellCompDirectiveDefault
	case 'o':
		var names []string
		for _, k := range sshconfig.Keywords() {
			names = append(names, k+"=")
		}
		return beginning(names, strings.ToLower(word)), none | cobra.ShellCompDirectiveNoSpace
	case 'O':
		return beginning([]string{"check", "forward", "cancel", "exit", "stop", "proxy", "conninfo", "channels"}, word), none
	case 'Q':
		return beginning(queryNames, word), none
	case 'c', 'm':
		names, _ := answerQuery(map[byte]string{'c': "cipher", 'm': "mac"}[flag])
		return beginning(names, word), none
	}
	return nil, none
}

// completeJumps offers the last of several jump hosts.
func (a *App) completeJumps(config, word string) []string {
	done := word[:strings.LastIndexByte(word, ',')+1]
	var all []string
	for _, h := range hostsLike(a.configuredHosts(config), word[len(done):]) {
		all = append(all, done+h)
	}
	return all
}

// completeJump offers hosts behind a verb's --jump.
func (v *verbCommand) completeJump(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	return v.completeJumps(v.config, word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeWords offers some words.
func completeWords(words []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return beginning(words, word), cobra.ShellCompDirectiveNoFileComp
	}
}

// hostsLike are the names that begin with a word, with the user that it has in
// front.
func hostsLike(names []string, word string) []string {
	user, host, found := strings.Cut(word, "@")
	if !found {
		return beginning(names, word)
	}
	var all []string
	for _, n := range beginning(names, host) {
		all = append(all, user+"@"+n)
	}
	return all
}

func beginning(names []string, word string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, word) })
}

// configuredHosts are the names of the configuration that a shell can take.
func (a *App) configuredHosts(config string) []string {
	files, err := a.loadConfig(config)
	if err != nil {
		return nil
	}
	var names []string
	for _, h := range files.Hosts() {
		if fitsCompletion(h.Name) && !strings.HasPrefix(h.Name, "-") {
			names = append(names, h.Name)
		}
	}
	return names
}

// configOf is the file that -F names on a command line.
func configOf(words []string) string {
	words = slices.Clone(words)
	if sshargs.Awaited(words) != 0 {
		words = append(words, "none")
	}
	inv, err := sshargs.Parse(append(words, "host"))
	if err != nil {
		return ""
	}
	return inv.ConfigFile
}

// completionVerb prints what a shell reads. It takes the place of cobra's own
// verb: hosts have users in front, and bash divides words at "@".
func (v *verbCommand) completionVerb() *cobra.Command {
	return &cobra.Command{
		Use: "completion bash|zsh|fish", Short: "print a shell's completion script",
		Example: "  sally completion bash > ~/.local/share/bash-completion/completions/sally\n" +
			"  sally completion zsh > \"${fpath[1]}/_sally\"\n  sally completion fish > ~/.config/fish/completions/sally.fish",
		Args: wantsArgs(1, 1, "completion needs a shell: bash, zsh or fish"), ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			var script bytes.Buffer
			var err error
			switch args[0] {
			case "bash":
				err = cmd.Root().GenBashCompletionV2(&script, true)
			case "zsh":
				err = cmd.Root().GenZshCompletion(&script)
			case "fish":
				err = cmd.Root().GenFishCompletion(&script, true)
			default:
				return usageError{fmt.Sprintf("completion knows bash, zsh and fish, and no %q", args[0])}
			}
			if err != nil {
				return v.failed(err)
			}
			text := script.String()
			if args[0] == "bash" {
				text = keepAt(text)
			}
			fmt.Fprint(v.out, text)
			return nil
		},
	}
}

// keepAt makes the script for bash take "root@web1" for one word, and offer
// only what is behind the "@", since readline puts in only that. A comma needs
// no backslash.
func keepAt(script string) string {
	script = strings.ReplaceAll(script, "-n =:", "-n =:@")
	script = strings.ReplaceAll(script, `-n "=:"`, `-n "=:@"`)
	return strings.Replace(script, "    __sally_process_completion_results\n}", `    __sally_process_completion_results
    local i
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=${COMPREPLY[i]//\\,/,}
        if [[ $cur == *@* && $COMP_WORDBREAKS == *@* ]]; then
            COMPREPLY[i]=${COMPREPLY[i]#"${cur%"${cur##*@}"}"}
        fi
    done
}`, 1)
}
