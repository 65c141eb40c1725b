package mux

import (
	"os"
	"strings"
)

// Peer is the process at the other end of a control socket, as the kernel
// knew it when the socket was connected.
type Peer struct {
	UID uint32
	// PID is 0 when the system does not tell.
	PID int
}

// Trusted reports whether the peer runs as our user or as root, which is who
// may use a control socket.
func (p Peer) Trusted() bool { return p.UID == 0 || int64(p.UID) == int64(os.Geteuid()) }

// WantsNoSession reports whether the peer is an ssh that was started with -N
// (or -o SessionType=none). The protocol does not carry that: the client asks
// for a shell all the same, and its user for none. False when the command line
// cannot be read.
func (p Peer) WantsNoSession() bool {
	if p.PID <= 0 {
		return false
	}
	argv, err := commandLine(p.PID)
	return err == nil && wantsNoSession(argv)
}

// sshFlagsWithValue are the letters of ssh(1) that take a value.
const sshFlagsWithValue = "BDEFIJLOPQRSWbceilmopw"

// wantsNoSession reads a command line as ssh's getopt does: flags may be
// bundled, stand before and after the destination, and end at the command.
func wantsNoSession(argv []string) bool {
	destination, ended := false, false
	for i := 1; i < len(argv); i++ {
		arg := argv[i]
		if ended || len(arg) < 2 || arg[0] != '-' {
			if destination || ended {
				return false // the command, or all that follows "--"
			}
			destination = true
			continue
		}
		if arg == "--" {
			ended = true
			continue
		}
		none, valueNext := flagCluster(arg[1:], argv[i+1:])
		if none {
			return true
		}
		if valueNext {
			i++
		}
	}
	return false
}

// flagCluster reads one argument of flags; rest is what follows it.
func flagCluster(cluster string, rest []string) (none, valueNext bool) {
	for i, flag := range cluster {
		if flag == 'N' {
			return true, false
		}
		if !strings.ContainsRune(sshFlagsWithValue, flag) {
			continue
		}
		value := cluster[i+1:]
		valueNext = value == ""
		if valueNext && len(rest) > 0 {
			value = rest[0]
		}
		return flag == 'o' && isSessionTypeNone(value), valueNext
	}
	return false, false
}

// isSessionTypeNone reads the value of one -o.
func isSessionTypeNone(option string) bool {
	fields := strings.FieldsFunc(option, func(r rune) bool {
		return r == ' ' || r == '\t' || r == '=' || r == '"'
	})
	return len(fields) == 2 && strings.EqualFold(fields[0], "SessionType") &&
		strings.EqualFold(fields[1], "none")
}
