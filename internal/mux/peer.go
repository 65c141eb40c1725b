package mux

import (
	"os"
	"path/filepath"
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

// Command is the name that the peer's program was called by; "" when the
// command line cannot be read.
func (p Peer) Command() string {
	if p.PID <= 0 {
		return ""
	}
	argv, err := commandLine(p.PID)
	if err != nil {
		return ""
	}
	return printable(filepath.Base(argv[0]))
}

// ControlCommand is the command of an ssh that was started with -O, such as
// "check"; "" for any other, and when the command line cannot be read. The
// protocol does not tell a check from the greeting of a session.
func (p Peer) ControlCommand() string {
	if p.PID <= 0 {
		return ""
	}
	argv, err := commandLine(p.PID)
	if err != nil {
		return ""
	}
	return controlCommand(argv)
}

// sshFlagsWithValue are the letters of ssh(1) that take a value.
const sshFlagsWithValue = "BDEFIJLOPQRSWbceilmopw"

// wantsNoSession tells whether a command line has -N or its long form.
func wantsNoSession(argv []string) bool {
	none := false
	eachFlag(argv, func(flag rune, value string) {
		none = none || flag == 'N' || flag == 'o' && isSessionTypeNone(value)
	})
	return none
}

// controlCommand is the value of -O.
func controlCommand(argv []string) (command string) {
	eachFlag(argv, func(flag rune, value string) {
		if flag == 'O' {
			command = value
		}
	})
	return command
}

// eachFlag reads a command line as ssh's getopt does: flags may be bundled,
// stand before and after the destination, and end at the command. value is ""
// for a flag without one.
func eachFlag(argv []string, f func(flag rune, value string)) {
	destination, ended := false, false
	for i := 1; i < len(argv); i++ {
		arg := argv[i]
		if ended || len(arg) < 2 || arg[0] != '-' {
			if destination || ended {
				return // the command, or all that follows "--"
			}
			destination = true
			continue
		}
		if arg == "--" {
			ended = true
			continue
		}
		if flagCluster(arg[1:], argv[i+1:], f) {
			i++
		}
	}
}

// flagCluster reads one argument of flags; rest is what follows it, of which
// the first may be a value.
func flagCluster(cluster string, rest []string, f func(flag rune, value string)) (valueNext bool) {
	for i, flag := range cluster {
		if !strings.ContainsRune(sshFlagsWithValue, flag) {
			f(flag, "")
			continue
		}
		value := cluster[i+1:]
		valueNext = value == ""
		if valueNext && len(rest) > 0 {
			value = rest[0]
		}
		f(flag, value)
		return valueNext
	}
	return false
}

// isSessionTypeNone reads the value of one -o.
func isSessionTypeNone(option string) bool {
	fields := strings.FieldsFunc(option, func(r rune) bool {
		return r == ' ' || r == '\t' || r == '=' || r == '"'
	})
	return len(fields) == 2 && strings.EqualFold(fields[0], "SessionType") &&
		strings.EqualFold(fields[1], "none")
}
