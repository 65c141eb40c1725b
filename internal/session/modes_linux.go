package session

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// vdisable is _POSIX_VDISABLE.
const vdisable = 0

// The tables hold what OpenSSH sends on Linux, in its order. It leaves out
// VSWTC, which Linux names differently from RFC 4254's VSWTCH.
var (
	modeChars = []charOp{
		{1, unix.VINTR}, {2, unix.VQUIT}, {3, unix.VERASE}, {4, unix.VKILL}, {5, unix.VEOF},
		{6, unix.VEOL}, {7, unix.VEOL2}, {8, unix.VSTART}, {9, unix.VSTOP}, {10, unix.VSUSP},
		{12, unix.VREPRINT}, {13, unix.VWERASE}, {14, unix.VLNEXT}, {18, unix.VDISCARD},
	}
	modeInput = []flagOp{
		{30, unix.IGNPAR}, {31, unix.PARMRK}, {32, unix.INPCK}, {33, unix.ISTRIP}, {34, unix.INLCR},
		{35, unix.IGNCR}, {36, unix.ICRNL}, {37, unix.IUCLC}, {38, unix.IXON}, {39, unix.IXANY},
		{40, unix.IXOFF}, {41, unix.IMAXBEL}, {42, unix.IUTF8},
	}
	modeLocal = []flagOp{
		{50, unix.ISIG}, {51, unix.ICANON}, {52, unix.XCASE}, {53, unix.ECHO}, {54, unix.ECHOE},
		{55, unix.ECHOK}, {56, unix.ECHONL}, {57, unix.NOFLSH}, {58, unix.TOSTOP}, {59, unix.IEXTEN},
		{60, unix.ECHOCTL}, {61, unix.ECHOKE}, {62, unix.PENDIN},
	}
	modeOutput = []flagOp{
		{70, unix.OPOST}, {71, unix.OLCUC}, {72, unix.ONLCR}, {73, unix.OCRNL}, {74, unix.ONOCR},
		{75, unix.ONLRET},
	}
	modeControl = []flagOp{{90, unix.CS7}, {91, unix.CS8}, {92, unix.PARENB}, {93, unix.PARODD}}

	baudRates = map[uint32]uint32{
		unix.B0: 0, unix.B50: 50, unix.B75: 75, unix.B110: 110, unix.B134: 134, unix.B150: 150,
		unix.B200: 200, unix.B300: 300, unix.B600: 600, unix.B1200: 1200, unix.B1800: 1800,
		unix.B2400: 2400, unix.B4800: 4800, unix.B9600: 9600, unix.B19200: 19200,
		unix.B38400: 38400, unix.B57600: 57600, unix.B115200: 115200, unix.B230400: 230400,
	}
)

// EncodeModes encodes the modes of a terminal as RFC 4254 §8 says, byte for
// byte as OpenSSH does.
func EncodeModes(t *unix.Termios) []byte {
	baud, ok := baudRates[t.Cflag&(unix.CBAUD|unix.CBAUDEX)]
	if !ok {
		baud = 9600 // ttymodes.c: speed_to_baud
	}
	return encodeModes(baud, baud, t.Cc[:], modeChars, []flagWord{
		{uint64(t.Iflag), modeInput},
		{uint64(t.Lflag), modeLocal},
		{uint64(t.Oflag), modeOutput},
		{uint64(t.Cflag), modeControl},
	})
}

// ReadModes encodes the modes of the terminal f. When f is no terminal it
// returns the empty list of modes and an error.
func ReadModes(f *os.File) ([]byte, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return []byte{opEnd}, fmt.Errorf("read terminal modes: %w", err)
	}
	var t *unix.Termios
	// Control, not Fd: Fd changes the descriptor's flags.
	cerr := raw.Control(func(fd uintptr) { t, err = unix.IoctlGetTermios(int(fd), unix.TCGETS) })
	if cerr != nil {
		err = cerr
	}
	if err != nil {
		return []byte{opEnd}, fmt.Errorf("read terminal modes: %w", err)
	}
	return EncodeModes(t), nil
}
