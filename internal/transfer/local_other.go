//go:build !unix

package transfer

import (
	"os"
	"path/filepath"
)

func openSource(path string) (*os.File, error) { return os.Open(path) }

// checkNative refuses names that mean more than a name to this system.
func checkNative(name string) error {
	if !filepath.IsLocal(name) || filepath.Base(name) != name {
		return errBadName
	}
	return nil
}

func isFull(error) bool { return false }
