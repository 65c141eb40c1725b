package identity

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
)

// File is what can be told of an identity file without asking for anything.
type File struct {
	Path string
	// Err says why it cannot be used: fs.ErrNotExist, ErrBadPermissions,
	// ErrInvalidFormat and the like.
	Err error
	// Type is the key's ("ED25519"), "" when the public half is not in the open;
	// Bits is an RSA key's length.
	Type string
	Bits int
	// Encrypted is set for a private half that needs a passphrase, Public for
	// a file that holds no private half.
	Encrypted, Public bool
	// Key is the public half, nil when it is not in the open.
	Key ssh.PublicKey
	// Certificates are those in the file and beside it.
	Certificates []Certificate
}

// Certificate is the part of a certificate that ages.
type Certificate struct {
	Path       string
	User       bool // for users, not hosts
	KeyID      string
	Principals []string
	// After and Before bound its validity; Before is zero for no end.
	After, Before time.Time
}

// Inspect looks at an identity file.
func Inspect(path string) File {
	f := File{Path: path}
	data, err := readPrivate(path)
	defer clear(data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, statErr := os.Stat(path + ".pub"); statErr != nil { // else the agent may have the private half
			f.Err = err
		}
		f.Public = true
	case err != nil:
		f.Err = err
	case privateBlock(data) == nil:
		f.Public = true
	default:
		_, err := parsePrivate(data, nil)
		if f.Encrypted = errors.Is(err, ErrWrongPassphrase); err != nil && !f.Encrypted {
			f.Err = err
		}
	}
	if p, err := loadPublic(path); err == nil && p.key != nil {
		f.Key, f.Type, f.Bits = p.key, TypeName(p.key), rsaBits(p.key)
		f.addCertificate(path, p.key)
	} else if f.Public && f.Err == nil {
		f.Err = fmt.Errorf("%w: neither a private key nor a public one", ErrInvalidFormat)
	}
	if p, err := loadPublic(path + "-cert"); err == nil {
		f.addCertificate(path+"-cert.pub", p.key)
	}
	return f
}

func (f *File) addCertificate(path string, key ssh.PublicKey) {
	c, ok := key.(*ssh.Certificate)
	if !ok {
		return
	}
	found := Certificate{Path: path, User: c.CertType == ssh.UserCert, KeyID: printable(c.KeyId),
		Principals: c.ValidPrincipals, After: time.Unix(int64(min(c.ValidAfter, 1<<40)), 0)}
	if c.ValidBefore < 1<<40 {
		found.Before = time.Unix(int64(c.ValidBefore), 0)
	}
	f.Certificates = append(f.Certificates, found)
}

// ListAgent lists the public keys that an agent holds.
func ListAgent(ctx context.Context, socket string) ([]ssh.PublicKey, error) {
	conn, err := dialAgent(ctx, socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	keys, err := conn.client.List()
	if err != nil {
		return nil, err
	}
	var found []ssh.PublicKey
	for _, k := range keys {
		if pub, err := ssh.ParsePublicKey(k.Blob); err == nil {
			found = append(found, pub)
		}
	}
	return found, nil
}
