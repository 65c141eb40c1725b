//go:build !linux

package hop

import "net"

// acknowledging has nothing to do here: the option is Linux's.
func acknowledging(c net.Conn) net.Conn { return c }
