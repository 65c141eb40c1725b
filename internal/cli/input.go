package cli

import (
	"context"
	"io"

	"sallyport/internal/stdio"
)

// input reads standard input, until ctx ends: ^C must end a command that waits
// for somebody to type.
func (v *verbCommand) input(ctx context.Context, read func(io.Reader) error) error {
	in, err := stdio.NewReader(v.Stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	defer context.AfterFunc(ctx, in.Cancel)()
	return read(in)
}
