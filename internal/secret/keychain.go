package secret

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/zalando/go-keyring"
)

// service is the name under which keychains list our entries.
const service = "sally"

// keychainWait bounds a call of the keychain, in which a person may be asked to
// unlock it.
const keychainWait = 2 * time.Minute

// ErrNoKeychain says that the system has none, or none that runs.
var ErrNoKeychain = errors.New("there is no keychain")

// Keychain is the system's: Keychain of macOS, the Secret Service of a
// desktop, the Credential Manager of Windows. The error of Get for an account
// that is not there is ErrNone; every method may return ErrNoKeychain.
type Keychain interface {
	Get(ctx context.Context, account string) (string, error)
	Set(ctx context.Context, account, password string) error
	Remove(ctx context.Context, account string) error
}

// SystemKeychain is the one of this system. getenv finds the session's bus.
func SystemKeychain(getenv func(string) string) Keychain { return systemKeychain{getenv} }

type systemKeychain struct{ getenv func(string) string }

func (k systemKeychain) Get(ctx context.Context, account string) (password string, err error) {
	err = k.call(ctx, func() (err error) { password, err = keyring.Get(service, account); return err })
	return password, err
}

func (k systemKeychain) Set(ctx context.Context, account, password string) error {
	return k.call(ctx, func() error { return keyring.Set(service, account, password) })
}

func (k systemKeychain) Remove(ctx context.Context, account string) error {
	return k.call(ctx, func() error { return keyring.Delete(service, account) })
}

// call bounds what the library does not. A call that is given up goes on until
// the process ends or the keychain answers; its result is thrown away.
func (k systemKeychain) call(ctx context.Context, f func() error) error {
	if !k.present() {
		return ErrNoKeychain
	}
	ctx, cancel := context.WithTimeout(ctx, keychainWait)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return keychainError(err)
	case <-ctx.Done():
		return fmt.Errorf("keychain: no answer: %w", ctx.Err())
	}
}

// present looks for the session's bus, which the library would start if there
// was none.
func (k systemKeychain) present() bool {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return true
	}
	if k.getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return true
	}
	dir := k.getenv("XDG_RUNTIME_DIR")
	_, err := os.Stat(filepath.Join(dir, "bus"))
	return dir != "" && err == nil
}
