//go:build !unix

package sshconfig

import (
	"io/fs"
	"os"
)

// links is how many names a file has, as far as can be told.
func links(fs.FileInfo) int { return 1 }

// keepOwner does nothing: a new file belongs to its directory's owner.
func keepOwner(*os.File, fs.FileInfo) error { return nil }

// lock does nothing: Save tells a change.
func lock(*os.File) {}

// trusted cannot be told from a mode here: files have access control lists.
func (e *Env) trusted(fs.FileInfo) bool { return true }
