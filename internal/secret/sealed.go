package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"

	"sallyport/internal/atomicfile"
)

// Passphrases asks a person for what opens the encrypted files.
type Passphrases interface {
	// New is a passphrase for the first use.
	New(ctx context.Context) (string, error)
	// Old is the one that was chosen then; again after a wrong one.
	Old(ctx context.Context, again bool) (string, error)
}

// The files of an encrypted store: a key pair whose private half is encrypted
// with the passphrase. Passwords are encrypted to the public half, so only
// reading them needs the passphrase.
const (
	privateFile = "identity.age"
	publicFile  = "recipient"
)

// attempts is how often the passphrase may be wrong.
const attempts = 3

// maxFile bounds what is read of a file, in bytes.
const maxFile = 64 << 10

// seal encrypts a password; the key pair is made if there is none.
func (s *Store) seal(ctx context.Context, plain []byte, ask Passphrases) ([]byte, error) {
	to, err := s.recipient(ctx, ask)
	if err != nil {
		return nil, err
	}
	return encrypt(plain, to)
}

func encrypt(plain []byte, to age.Recipient) ([]byte, error) {
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	return sealed.Bytes(), err
}

// recipient is the public half.
func (s *Store) recipient(ctx context.Context, ask Passphrases) (age.Recipient, error) {
	text, err := readSmall(filepath.Join(s.dir, publicFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s.newIdentity(ctx, ask)
	}
	if err != nil {
		return nil, err
	}
	to, err := age.ParseX25519Recipient(string(bytes.TrimSpace(text)))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(s.dir, publicFile), err)
	}
	return to, nil
}

// newIdentity makes the key pair. The public half is written last: what is
// half made is made anew.
func (s *Store) newIdentity(ctx context.Context, ask Passphrases) (age.Recipient, error) {
	passphrase, err := ask.New(ctx)
	if err != nil {
		return nil, err
	}
	with, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	with.SetWorkFactor(s.work)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	sealed, err := encrypt([]byte(identity.String()), with)
	if err != nil {
		return nil, err
	}
	err = atomicfile.Write(filepath.Join(s.dir, privateFile), sealed)
	if err == nil {
		err = atomicfile.Write(filepath.Join(s.dir, publicFile), []byte(identity.Recipient().String()+"\n"))
	}
	return identity.Recipient(), err
}

// open decrypts a password. The passphrase is asked for once in the life of the
// store.
func (s *Store) open(ctx context.Context, sealed []byte, ask Passphrases) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.identity == nil {
		identity, err := s.unlock(ctx, ask)
		if err != nil {
			return nil, err
		}
		s.identity = identity
	}
	return decrypt(sealed, s.identity)
}

func decrypt(sealed []byte, with age.Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), with)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxFile))
}

// unlock reads the private half.
func (s *Store) unlock(ctx context.Context, ask Passphrases) (age.Identity, error) {
	path := filepath.Join(s.dir, privateFile)
	sealed, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	for i := range attempts {
		passphrase, err := ask.Old(ctx, i > 0)
		if err != nil {
			return nil, err
		}
		with, err := age.NewScryptIdentity(passphrase)
		if err != nil {
			continue // an empty one
		}
		text, err := decrypt(sealed, with)
		var wrong *age.NoIdentityMatchError
		switch {
		case err == nil:
			return age.ParseX25519Identity(string(text))
		case !errors.As(err, &wrong):
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return nil, ErrPassphrase
}

// ErrPassphrase says that the passphrase was wrong too often.
var ErrPassphrase = errors.New("wrong passphrase")

// readSmall reads a regular file.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a file of ours", path)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}
