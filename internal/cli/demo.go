package cli

import "github.com/spf13/cobra"

func (v *verbCommand) demo() *cobra.Command {
	return &cobra.Command{Use: "demo", Short: "see it work on a network of its own"}
}
