package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// identityFiles returns one identity for each configured file, and one for
// each certificate beside a file, after it. ssh.c: load_public_identity_files
func (s *Set) identityFiles() []*Identity {
	var ids []*Identity
	for _, path := range s.cfg.Files {
		if strings.EqualFold(path, "none") {
			continue
		}
		if id := s.identityFile(path); id != nil {
			ids = append(ids, id)
		}
		if len(s.cfg.CertificateFiles) > 0 {
			continue
		}
		p, err := loadPublic(path + "-cert")
		if _, ok := p.key.(*ssh.Certificate); ok && err == nil {
			p.own = false // of path
			ids = append(ids, s.fromFile(path, p, s.cfg.FilesSet))
		}
	}
	return slices.DeleteFunc(ids, s.ignored)
}

// identityFile returns the identity of one file; nil for a default file that
// is missing.
func (s *Set) identityFile(path string) *Identity {
	p, err := loadPublic(path)
	if !s.cfg.FilesSet && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return s.fromFile(path, p, s.cfg.FilesSet)
}

func (s *Set) fromFile(path string, p public, explicit bool) *Identity {
	id := &Identity{
		Comment:  p.comment,
		Source:   "file " + path,
		set:      s,
		pub:      p.key,
		path:     path,
		explicit: explicit,
		file:     s.fileOf(path, p.own),
	}
	if explicit {
		id.Source += " (explicit)"
	}
	return id
}

// fileOf returns the private file of that name: a key and the certificate
// beside it share one, so that its passphrase is asked for once.
func (s *Set) fileOf(path string, public bool) *keyFile {
	if s.private == nil {
		s.private = make(map[string]*keyFile)
	}
	f, ok := s.private[path]
	if !ok {
		f = &keyFile{path: path, public: public}
		s.private[path] = f
	}
	return f
}

// certificateFiles returns one identity for each CertificateFile.
func (s *Set) certificateFiles() []*Identity {
	var ids []*Identity
	for _, path := range s.cfg.CertificateFiles {
		p, err := loadPublic(path)
		if err != nil {
			s.note("certificate %s: %v", path, err)
			continue
		}
		if _, ok := p.key.(*ssh.Certificate); !ok {
			s.note("ignoring %s: not a certificate", path)
			continue
		}
		id := s.fromFile(path, p, true)
		id.Source = "certificate " + path
		ids = append(ids, id)
	}
	return slices.DeleteFunc(ids, s.ignored)
}

// ignored tells whether an identity of a file cannot be used at all: a
// certificate that is not for users, or a security key without a provider.
func (s *Set) ignored(id *Identity) bool {
	if isSecurityKey(id.pub) && !s.hasSecurityKeys() {
		s.note("ignoring %s: %v", id.path, ErrNoSecurityProvider)
		return true
	}
	if cert, ok := id.pub.(*ssh.Certificate); ok && cert.CertType != ssh.UserCert {
		s.note("ignoring %s: not a user certificate", id.path)
		return true
	}
	return false
}

// public is what is known of a key without its private half.
type public struct {
	key     ssh.PublicKey // nil when there is none in the open
	comment string
	own     bool // found in the very file that was named
}

// loadPublic finds the public half for a file's name: in the file itself, in
// the one with .pub appended, or in the open part of a private key in OpenSSH's
// format. The error says why there is none. authfile.c: sshkey_load_public
func loadPublic(path string) (public, error) {
	data, err := readSmall(path)
	defer clear(data)
	if p, ok := parsePublic(data); ok {
		p.own = true
		return p, nil
	}
	if beside, errPub := readSmall(path + ".pub"); errPub == nil {
		if p, ok := parsePublic(beside); ok {
			return p, nil
		}
	}
	if err != nil {
		return public{}, err
	}
	c, err := parseContainer(data)
	if err != nil {
		return public{}, err
	}
	key, err := ssh.ParsePublicKey(c.Public)
	if err != nil {
		return public{}, fmt.Errorf("%w: %v", ErrInvalidFormat, err)
	}
	return public{key: key}, nil
}

// parsePublic reads the first public key of a one-key-a-line file. It stops at
// what looks like a private key. authfile.c: sshkey_try_load_public
func parsePublic(data []byte) (public, bool) {
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(line, []byte("-----BEGIN")) {
			break
		}
		fields := strings.Fields(string(line))
		if len(fields) < 2 {
			continue
		}
		blob, err := base64.StdEncoding.DecodeString(fields[1])
		if err != nil {
			continue
		}
		key, err := ssh.ParsePublicKey(blob)
		if err != nil || key.Type() != fields[0] {
			continue
		}
		return public{key: key, comment: strings.Join(fields[2:], " ")}, true
	}
	return public{}, false
}
