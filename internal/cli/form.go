package cli

import (
	"context"
	"errors"
)

var errNoForm = errors.New("say with flags what the host is to be; --help lists them")

func (v *verbCommand) addForm(ctx context.Context, name string, f *entryFlags) error {
	return errNoForm
}

func (v *verbCommand) editForm(ctx context.Context, name string, f *entryFlags) error {
	return v.editText(ctx, name, f)
}
