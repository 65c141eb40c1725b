//go:build unix

package cli

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// facilities are the values of SyslogFacility (ssh_config(5)) in the numbers
// of RFC 5424 §6.2.1.
var facilities = map[string]int{
	"USER": 1, "DAEMON": 3, "AUTH": 4, "AUTHPRIV": 10,
	"LOCAL0": 16, "LOCAL1": 17, "LOCAL2": 18, "LOCAL3": 19, "LOCAL4": 20, "LOCAL5": 21, "LOCAL6": 22, "LOCAL7": 23,
}

// The severities that log.c: do_log gives to levels, RFC 5424 §6.2.1.
const (
	severityCritical = 2
	severityError    = 3
	severityInfo     = 6
	severityDebug    = 7
)

// systemLogs are where systems have the socket of theirs.
var systemLogs = []string{"/dev/log", "/var/run/syslog", "/var/run/log"}

// systemLogWait bounds the wait for a system log that does not read: then a
// message is lost rather than that anything waits for it, which is why
// log/syslog will not do.
const systemLogWait = 100 * time.Millisecond

// systemLog sends messages to the system log from now on (-y), marked with a
// facility.
func (v *voice) systemLog(facility string) error {
	conn, err := dialSystemLog()
	if err != nil {
		return fmt.Errorf("system log: %w", err)
	}
	number, known := facilities[facility]
	if !known {
		number = facilities["USER"]
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if old, ok := v.to.(io.Closer); ok && v.write != nil {
		old.Close()
	}
	v.to = conn
	v.write = func(level int, text string) {
		severity := severityDebug
		switch {
		case level <= levelFatal:
			severity = severityCritical
		case level == levelError:
			severity, text = severityError, "error: "+text
		case level <= levelVerbose:
			severity = severityInfo
		}
		_ = conn.SetWriteDeadline(time.Now().Add(systemLogWait))
		_, _ = fmt.Fprintf(conn, "<%d>%s %s[%d]: %s", number<<3|severity, time.Now().Format(time.Stamp), v.name, os.Getpid(), text)
	}
	return nil
}

func dialSystemLog() (net.Conn, error) {
	var first error
	for _, path := range systemLogs {
		conn, err := net.DialTimeout("unixgram", path, systemLogWait)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}
