package identity

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/crypto/ssh"
)

// identityFiles returns one identity for each configured file, and one for
// each certificate beside a file, after it. ssh.c: load_public_identity_files
func (s *Set) identityFiles() []*Identity {
	var ids []*Identity
	for _, path := range s.cfg.Files {
		file := &keyFile{path: path}
		source := "file " + path
		if s.cfg.FilesSet {
			source += " (explicit)"
		}
		pub, comment, err := loadPublic(path)
		if err != nil && !s.cfg.FilesSet && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		id := &Identity{set: s, file: file, pub: pub, path: path, explicit: s.cfg.FilesSet, Comment: comment, Source: source}
		if s.keepFile(id) {
			ids = append(ids, id)
		}
		if len(s.cfg.CertificateFiles) > 0 {
			continue
		}
		cert, comment, err := loadPublic(path + "-cert")
		if err != nil || !s.isUserCertificate(cert, path+"-cert.pub") {
			continue
		}
		certID := &Identity{set: s, file: file, pub: cert, path: path, explicit: s.cfg.FilesSet, Comment: comment, Source: source}
		if s.keepFile(certID) {
			ids = append(ids, certID)
		}
	}
	return ids
}

// certificateFiles returns one identity for each CertificateFile.
func (s *Set) certificateFiles() []*Identity {
	var ids []*Identity
	for _, path := range s.cfg.CertificateFiles {
		cert, comment, err := loadPublic(path)
		if err != nil {
			s.note("certificate %s: %v", path, err)
			continue
		}
		if !s.isUserCertificate(cert, path) {
			continue
		}
		id := &Identity{set: s, file: &keyFile{path: path}, pub: cert, path: path, explicit: true, Comment: comment, Source: "certificate " + path}
		if s.keepFile(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// keepFile leaves out security keys when no provider is configured, and
// certificates that are not for users.
func (s *Set) keepFile(id *Identity) bool {
	if isSecurityKey(id.pub) && !s.hasSecurityKeys() {
		s.note("ignoring %s: %v", id.path, ErrNoSecurityProvider)
		return false
	}
	if cert, ok := id.pub.(*ssh.Certificate); ok {
		return s.isUserCertificate(cert, id.path)
	}
	return true
}

func (s *Set) isUserCertificate(pub ssh.PublicKey, path string) bool {
	cert, ok := pub.(*ssh.Certificate)
	if ok && cert.CertType == ssh.UserCert {
		return true
	}
	s.note("ignoring certificate %s: not a user certificate", path)
	return false
}

// loadPublic finds the public half for a file's name: the file itself, the one
// with .pub appended, or the public part of a private key in OpenSSH's format.
// With ErrInvalidFormat the file is there but holds none in the open.
func loadPublic(path string) (ssh.PublicKey, string, error) {
	data, err := readSmall(path)
	if err == nil {
		if pub, comment, ok := parsePublic(data); ok {
			return pub, comment, nil
		}
	}
	if beside, errPub := readSmall(path + ".pub"); errPub == nil {
		if pub, comment, ok := parsePublic(beside); ok {
			return pub, comment, nil
		}
	}
	if err != nil {
		return nil, "", err
	}
	defer clear(data)
	if c, errOpen := parseContainer(data); errOpen == nil {
		if pub, errPub := ssh.ParsePublicKey(c.Public); errPub == nil {
			return pub, "", nil
		}
	}
	return nil, "", fmt.Errorf("%w: no public half in the open", ErrInvalidFormat)
}

// parsePublic reads the first public key of a one-key-a-line file. It stops at
// what looks like a private key.
func parsePublic(data []byte) (ssh.PublicKey, string, bool) {
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(nil, maxKeyFile)
	for sc.Scan() {
		line := strings.TrimLeft(sc.Text(), " \t")
		if strings.HasPrefix(line, "-----BEGIN") {
			return nil, "", false
		}
		format, rest, _ := strings.Cut(line, " ")
		blob, comment, _ := strings.Cut(strings.TrimLeft(rest, " \t"), " ")
		raw, err := base64.StdEncoding.DecodeString(strings.TrimRight(blob, "\r"))
		if err != nil {
			continue
		}
		pub, err := ssh.ParsePublicKey(raw)
		if err != nil || pub.Type() != format {
			continue
		}
		return pub, strings.TrimSpace(comment), true
	}
	return nil, "", false
}
