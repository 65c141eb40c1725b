//go:build !linux

package cli

// ancestor cannot read command lines here.
func ancestor(func(argv []string) bool) ([]string, bool) { return nil, false }
