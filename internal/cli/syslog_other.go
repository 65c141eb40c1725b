//go:build !unix

package cli

import "errors"

// systemLog is an error: there is no system log of this kind.
func (v *voice) systemLog(string) error {
	return errors.New("-y: this system has no syslog")
}
