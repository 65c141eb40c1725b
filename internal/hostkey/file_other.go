//go:build !unix

package hostkey

import (
	"io/fs"
	"os"
)

// tryLock goes without a lock: a mandatory one would keep ssh from reading.
func tryLock(*os.File) bool { return true }

// keepOwner does nothing: a new file belongs to its directory's owner.
func keepOwner(*os.File, fs.FileInfo) {}
