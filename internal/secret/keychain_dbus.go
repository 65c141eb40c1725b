//go:build !darwin && !windows

package secret

import (
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"
	"github.com/zalando/go-keyring"
)

// absent are the errors of a bus on which nobody offers a keychain
// (D-Bus specification, Standard Errors).
var absent = map[string]bool{
	"org.freedesktop.DBus.Error.ServiceUnknown": true,
	"org.freedesktop.DBus.Error.NameHasNoOwner": true,
	"org.freedesktop.DBus.Error.NoServer":       true,
	"org.freedesktop.DBus.Error.NotSupported":   true,
}

// keychainError gives the library's errors our types.
func keychainError(err error) error {
	var onBus dbus.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, keyring.ErrNotFound):
		return ErrNone
	case errors.Is(err, keyring.ErrUnsupportedPlatform), errors.As(err, &onBus) && absent[onBus.Name]:
		return fmt.Errorf("%w: %w", ErrNoKeychain, err)
	}
	return fmt.Errorf("keychain: %w", err)
}
