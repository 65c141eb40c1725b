//go:build !linux

package wake

import (
	"context"
	"errors"
)

var errNotHere = errors.New("not on this system")

func watchSleep(context.Context, Config, func(string)) error   { return errNotHere }
func watchNetwork(context.Context, Config, func(string)) error { return errNotHere }
