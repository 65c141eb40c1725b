package inventory

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// readKnownHosts reads the hosts of a known_hosts file: a host for the first
// name of each line. Names that are hashed cannot be read back.
func readKnownHosts(text string) ([]Foreign, []string, error) {
	var hosts []Foreign
	hashed, patterns := 0, 0
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 3 || strings.HasPrefix(fields[0], "#") || strings.HasPrefix(fields[0], "@") {
			continue
		}
		if strings.HasPrefix(fields[0], "|") {
			hashed++
			continue
		}
		if strings.ContainsAny(fields[0], "*?!") {
			patterns++
			continue
		}
		if f := knownHost(strings.Split(fields[0], ",")); !seen[f.Name] {
			seen[f.Name] = true
			hosts = append(hosts, f)
		}
	}
	var notes []string
	if hashed > 0 {
		notes = append(notes, fmt.Sprintf("%d lines have hashed names, which cannot be read back", hashed))
	}
	if patterns > 0 {
		notes = append(notes, fmt.Sprintf("%d lines are for patterns, which are no hosts", patterns))
	}
	return hosts, notes, nil
}

// knownHost makes a host of the names of one line: a name rather than an
// address.
func knownHost(names []string) Foreign {
	best, port := hostAndPort(names[0])
	for _, n := range names {
		host, p := hostAndPort(n)
		if _, err := netip.ParseAddr(host); err != nil {
			best, port = host, p
			break
		}
	}
	f := Foreign{Name: best}
	f.Entry.HostName, f.Entry.Port = best, port
	return f
}

// hostAndPort parts "[host]:port"; the port is 0 when it is ssh's own.
func hostAndPort(s string) (string, int) {
	if strings.HasPrefix(s, "[") {
		if host, port, err := net.SplitHostPort(s); err == nil {
			if n, err := strconv.Atoi(port); err == nil && n > 0 && n < 1<<16 {
				return host, n
			}
		}
	}
	return s, 0
}
