//go:build !linux

package hop

import (
	"errors"

	"sallyport/internal/sshconfig"
)

// setSocketOptions has no way to bind to an interface here.
func setSocketOptions(_ uintptr, _ string, o sshconfig.Connect) error {
	if o.BindInterface != "" {
		return errors.New("BindInterface is not supported on this system")
	}
	return nil
}
