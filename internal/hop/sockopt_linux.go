package hop

import (
	"fmt"

	"golang.org/x/sys/unix"

	"sallyport/internal/sshconfig"
)

// unsentBytes is what the kernel takes of a connection's data beyond what it has
// under way. It would take megabytes of an upload, and a key that is typed
// meanwhile would wait until a slow link has carried them; with this it comes
// after a packet or two, and the link is as full. Linux: tcp_notsent_lowat in ip-sysctl.
const unsentBytes = 16 << 10

// setSocketOptions applies BindInterface and the interactive IPQoS before the
// connection is made, and unsentBytes.
func setSocketOptions(fd uintptr, network string, o sshconfig.Connect) error {
	if o.BindInterface != "" {
		if err := unix.BindToDevice(int(fd), o.BindInterface); err != nil {
			return fmt.Errorf("BindInterface %q: %w", o.BindInterface, err)
		}
	}
	// An older kernel has no such option, and is only slower to answer.
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentBytes)
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
