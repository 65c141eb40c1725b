package hostkey

import (
	"bytes"

	"golang.org/x/crypto/ssh"
)

// OtherNames lists the lines, in all files, that hold key under names other
// than h's: "This host key is known by the following other names/addresses".
// Lines with a marker do not count, and no line holds a certificate's key.
// sshconnect.c: hostkeys_find_by_key.
func (s *Store) OtherNames(h Host, key ssh.PublicKey) []Line {
	if _, isCert := key.(*ssh.Certificate); isCert {
		return nil
	}
	name, blob := h.Lookup(), key.Marshal()
	var found []Line
	for _, files := range [][]string{s.cfg.UserFiles, s.cfg.GlobalFiles} {
		for _, path := range files {
			data, err := readFile(path)
			if err != nil {
				continue
			}
			eachLine(data, func(l rawLine) {
				if l.marker == "" && l.holds(key, blob) && !matchNames(l.names, name) {
					found = append(found, l.line(path, key))
				}
			})
		}
	}
	return found
}

// holds reports whether the line's key is key, whose wire form is blob,
// without parsing it: a scan meets every key of a file.
func (l rawLine) holds(key ssh.PublicKey, blob []byte) bool {
	typ, rest := cutField(l.key)
	encoded, _ := cutField(rest)
	if keyFormat(typ) != key.Type() {
		return false
	}
	raw, err := strictBase64.DecodeString(encoded)
	return err == nil && bytes.Equal(raw, blob)
}
