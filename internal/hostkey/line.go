package hostkey

import (
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

// The markers that a known_hosts line can begin with. sshd(8).
const (
	MarkerCA      = "@cert-authority"
	MarkerRevoked = "@revoked"
)

// maxFile bounds what is read of a file in bytes. sshbuf.h: SSHBUF_SIZE_MAX.
const maxFile = 0x8000000

const blanks = " \t"

var (
	errNoKey     = errors.New("no key on the line")
	errBadMarker = errors.New("it begins with a marker that is not known")
	errTooLarge  = errors.New("file too large")
)

// rawLine is a line of known_hosts whose key is not parsed yet.
type rawLine struct {
	number int
	marker string // "", MarkerCA or MarkerRevoked
	names  string // the host names field, as written
	key    string // type, base64 and comment, as written
}

// parseLine splits a line without its newline. ok is false for a line that
// says nothing about any host: blank, a comment, or with a bad marker.
// hostfile.c: hostkeys_foreach_file.
func parseLine(text string) (l rawLine, ok bool) {
	if i := strings.IndexByte(text, 0); i >= 0 {
		text = text[:i] // what follows a NUL is not there for OpenSSH
	}
	text = strings.TrimLeft(text, blanks)
	if text == "" || text[0] == '#' {
		return l, false
	}
	if text[0] == '@' {
		if l.marker, text, ok = cutMarker(text); !ok {
			return l, false
		}
	}
	l.names, l.key = cutField(text)
	return l, true
}

// cutMarker takes the one marker off a line.
func cutMarker(text string) (marker, rest string, ok bool) {
	i := strings.IndexAny(text, blanks)
	if i < 0 {
		return "", "", false
	}
	marker, rest = text[:i], strings.TrimLeft(text[i:], blanks)
	// OpenSSH looks for a blank first, so that a tab ends a marker only when
	// no blank follows. Differs from OpenSSH: a revocation counts either way.
	if marker == MarkerCA && text[i] == '\t' && strings.Contains(rest, " ") {
		return "", "", false
	}
	known := marker == MarkerCA || marker == MarkerRevoked
	return marker, rest, known && !strings.HasPrefix(rest, "@")
}

// cutField splits s at its first run of blanks.
func cutField(s string) (field, rest string) {
	i := strings.IndexAny(s, blanks)
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], blanks)
}

// parseKey parses the line's key.
func (l rawLine) parseKey() (ssh.PublicKey, error) {
	if l.key == "" || l.key[0] == '#' {
		return nil, errNoKey
	}
	return parseKeyText(l.key)
}

// line is the exported form of l.
func (l rawLine) line(file string, key ssh.PublicKey) Line {
	names := l.names
	if strings.HasPrefix(names, hashMagic) {
		names = "[hashed name]"
	}
	return Line{
		File: file, Number: l.number, Marker: l.marker, Names: names,
		Type: TypeName(key), Fingerprint: Fingerprint(key, "sha256"), Key: key,
	}
}

// eachLine calls do with each line of data that concerns hosts.
func eachLine(data string, do func(rawLine)) {
	for number := 1; data != ""; number++ {
		text, rest, _ := strings.Cut(data, "\n")
		data = rest
		if l, ok := parseLine(text); ok {
			l.number = number
			do(l)
		}
	}
}

// readFile reads a file of at most maxFile bytes.
func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return readAll(f)
}

func readAll(f *os.File) (string, error) {
	var b strings.Builder
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		b.Grow(int(min(st.Size(), maxFile)))
	}
	n, err := io.Copy(&b, io.LimitReader(f, maxFile+1))
	if err == nil && n > maxFile {
		err = &os.PathError{Op: "read", Path: f.Name(), Err: errTooLarge}
	}
	if err != nil {
		return "", err
	}
	return b.String(), nil
}
