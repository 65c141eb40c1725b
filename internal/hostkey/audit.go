package hostkey

import (
	"strings"

	"golang.org/x/crypto/ssh"
)

// AuditLine is a line of a known_hosts file as it is, also when it means
// nothing.
type AuditLine struct {
	Number int
	Marker string
	// Names are the host names, a hashed one as written.
	Names []string
	// Key is nil when Err says what is wrong with the line.
	Key ssh.PublicKey
	Err error
}

// Audit reads a known_hosts file to look for lines that are odd. Comments and
// blank lines are left out.
func Audit(path string) ([]AuditLine, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	var lines []AuditLine
	number := 0
	for text := range strings.Lines(data) {
		number++
		trimmed := strings.Trim(text, " \t\r\n")
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		a := AuditLine{Number: number, Err: errBadMarker}
		if l, ok := parseLine(strings.TrimRight(text, "\n")); ok {
			a.Marker, a.Names = l.marker, strings.Split(l.names, ",")
			a.Key, a.Err = l.parseKey()
		}
		lines = append(lines, a)
	}
	return lines, nil
}
