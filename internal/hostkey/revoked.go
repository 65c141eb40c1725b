package hostkey

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// checkRevokedFiles looks key up in every file of RevokedHostKeys.
func (s *Store) checkRevokedFiles(key ssh.PublicKey) (Verdict, error) {
	for _, path := range s.cfg.RevokedFiles {
		if v, err := checkRevokedFile(path, key); err != nil || v.Status == Revoked {
			return v, err
		}
	}
	return Verdict{}, nil
}

// checkRevokedFile looks key up in one of them. What cannot be read or parsed
// is an error: nothing is known to be good then.
// authfile.c: sshkey_check_revoked.
func checkRevokedFile(path string, key ssh.PublicKey) (Verdict, error) {
	data, err := readFile(path)
	if err != nil {
		return Verdict{}, fmt.Errorf("check RevokedHostKeys: %w", err)
	}
	var match *Line
	var why string
	krl, err := ParseKRL([]byte(data))
	switch {
	case err == nil:
		if why = krl.Revokes(key); why != "" {
			match = &Line{File: path}
		}
	case errors.Is(err, ErrNotKRL):
		match, err = findRevoked(path, data, key)
	}
	if err != nil {
		return Verdict{}, fmt.Errorf("check RevokedHostKeys %s: %w", path, err)
	}
	if match == nil {
		return Verdict{}, nil
	}
	reason := "revoked by file " + path
	if why != "" {
		reason += ": " + why
	}
	return Verdict{
		Status: Revoked, Matches: []Line{*match}, Key: key, Reason: reason, RevokedByFile: true,
	}, nil
}

// findRevoked looks key, or its certificate's authority, up in a list of
// public keys. authfile.c: sshkey_in_file.
func findRevoked(path, data string, key ssh.PublicKey) (*Line, error) {
	cert, isCert := key.(*ssh.Certificate)
	for number := 1; data != ""; number++ {
		text, rest, _ := strings.Cut(data, "\n")
		data = rest
		text = strings.TrimLeft(text, blanks)
		if text == "" || text[0] == '#' || text[0] == 0 {
			continue
		}
		listed, err := parseKeyText(text)
		var small *KeyTooSmallError
		if errors.As(err, &small) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if samePublic(key, listed) || isCert && samePublic(cert.SignatureKey, listed) {
			l := rawLine{number: number}.line(path, listed)
			return &l, nil
		}
	}
	return nil, nil
}
