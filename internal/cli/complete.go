package cli

import (
	"github.com/spf13/cobra"
)

// completeOperands offers hosts, and the paths on a host that is connected.
func (v *verbCommand) completeOperands(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	return v.completeHosts(cmd, args, word)
}
