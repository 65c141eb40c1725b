//go:build !unix

package atomicfile

import "os"

// What writers that were killed have left stays: it cannot be told from what is
// being written.
func claim(*os.File) bool    { return true }
func removeAbandoned(string) {}

// rename gives a file its name, which it cannot get while it is open.
func rename(f *os.File, path string) error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
