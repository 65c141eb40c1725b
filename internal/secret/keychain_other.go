//go:build darwin || windows

package secret

import (
	"errors"
	"fmt"

	"github.com/zalando/go-keyring"
)

// keychainError gives the library's errors our types.
func keychainError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, keyring.ErrNotFound):
		return ErrNone
	case errors.Is(err, keyring.ErrUnsupportedPlatform):
		return fmt.Errorf("%w: %w", ErrNoKeychain, err)
	}
	return fmt.Errorf("keychain: %w", err)
}
