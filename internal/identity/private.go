package identity

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// maxKeyFile bounds what is read from a key file, in bytes.
const maxKeyFile = 1 << 20

// keyFile is the file of a private half. It is read once.
type keyFile struct {
	path string
	// public is true for a file that is known to hold a public half only.
	public bool

	key  *privateKey
	err  error
	done bool
}

// privateKey is a private half in memory.
type privateKey struct {
	pub     ssh.PublicKey
	signer  backend
	comment string
	// raw is what an agent can be given: a crypto private key or a *securityKey.
	raw any
}

// softSigner signs with a key in memory.
type softSigner struct{ ssh.AlgorithmSigner }

func (k softSigner) signWith(data []byte, algo string) (*ssh.Signature, error) {
	return k.SignWithAlgorithm(rand.Reader, data, algo)
}

// load reads the private half and asks for its passphrase. The user is told
// what is wrong; the same error is returned when it is called again.
func (f *keyFile) load(s *Set) (*privateKey, error) {
	if f.done {
		return f.key, f.err
	}
	f.done = true
	if f.public {
		f.err = &KeyError{f.path, ErrNoPrivateHalf}
		s.notice(f.err.Error())
		return nil, f.err
	}
	if f.key, f.err = s.loadPrivate(f.path); f.err != nil {
		f.err = &KeyError{f.path, f.err}
	}
	return f.key, f.err
}

func (s *Set) loadPrivate(path string) (*privateKey, error) {
	key, err := s.readKey(path)
	if err != nil {
		return nil, err
	}
	if err := s.longEnough(key.pub); err != nil {
		return nil, err
	}
	if sk, ok := key.raw.(*securityKey); ok {
		if !s.hasSecurityKeys() {
			return nil, ErrNoSecurityProvider
		}
		key.signer = &skSigner{set: s, key: sk, path: path}
	}
	s.offerToAgent(path, key)
	return key, nil
}

// readKey reads and decrypts a private key file, and tells the person when it
// is missing or broken.
func (s *Set) readKey(path string) (*privateKey, error) {
	data, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		s.notice(fmt.Sprintf("no such identity: %s: %v", path, syscall.ENOENT))
		return nil, err
	}
	if err != nil {
		s.notice((&KeyError{path, err}).Error())
		return nil, err
	}
	defer clear(data)
	key, err := s.decrypt(path, data)
	if errors.Is(err, ErrInvalidFormat) {
		s.notice((&KeyError{path, err}).Error())
	}
	return key, err
}

// decrypt parses a private key file, asking for its passphrase as often as
// needed and allowed.
func (s *Set) decrypt(path string, data []byte) (*privateKey, error) {
	key, err := parsePrivate(data, nil)
	tries := s.cfg.PassphraseTries
	if tries == 0 {
		tries = 3
	}
	if errors.Is(err, ErrWrongPassphrase) && (s.ask == nil || tries < 0) {
		return nil, ErrNoPassphrase
	}
	for attempt := 1; errors.Is(err, ErrWrongPassphrase) && attempt <= tries; attempt++ {
		pass, askErr := s.ask.Passphrase(s.life, path, attempt)
		if askErr != nil {
			return nil, askErr
		}
		if len(pass) == 0 {
			return nil, ErrNoPassphrase
		}
		key, err = parsePrivate(data, pass)
		clear(pass)
	}
	return key, err
}

// readPrivate reads a private key file. One of ours that others can read is
// refused. authfile.c: sshkey_perm_ok
func readPrivate(path string) ([]byte, error) {
	return readFile(path, func(info fs.FileInfo) error {
		if isOurs(info) && info.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("%w: UNPROTECTED PRIVATE KEY FILE: others have access (mode %#04o), it is ignored", ErrBadPermissions, info.Mode().Perm())
		}
		return nil
	})
}

func readSmall(path string) ([]byte, error) {
	return readFile(path, func(fs.FileInfo) error { return nil })
}

// readFile reads a regular file of bounded size that passes check.
func readFile(path string, check func(fs.FileInfo) error) ([]byte, error) {
	// A FIFO must not block us.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: not a regular file", ErrInvalidFormat)
	}
	if err := check(info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrInvalidFormat, maxKeyFile)
	}
	return data, nil
}
