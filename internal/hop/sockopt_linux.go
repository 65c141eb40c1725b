package hop

import (
	"fmt"

	"golang.org/x/sys/unix"

	"sallyport/internal/sshconfig"
)

// setSocketOptions applies BindInterface and the interactive IPQoS before the
// connection is made.
func setSocketOptions(fd uintptr, network string, o sshconfig.Connect) error {
	if o.BindInterface != "" {
		if err := unix.BindToDevice(int(fd), o.BindInterface); err != nil {
			return fmt.Errorf("BindInterface %q: %w", o.BindInterface, err)
		}
	}
	if o.IPQoSInteractive <= 0 {
		return nil
	}
	// A refused mark is no reason to give up the connection.
	if network == "tcp6" {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, o.IPQoSInteractive)
	} else {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, o.IPQoSInteractive)
	}
	return nil
}
