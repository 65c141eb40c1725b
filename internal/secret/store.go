package secret

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"sallyport/internal/atomicfile"
)

// ErrNone says that there is no password for an account.
var ErrNone = errors.New("no password is stored")

// Where is where a password is kept.
type Where string

// The places.
const (
	InKeychain Where = "keychain"
	InFile     Where = "file"
)

// Entry is one stored password, without the password.
type Entry struct {
	Account string    `json:"account"`
	Where   Where     `json:"where"`
	Since   time.Time `json:"since"`
}

// record is the file of an entry. Its name is a hash of the account, so any
// account has a name that file systems take.
type record struct {
	Entry
	// Sealed is the plain record, encrypted; only for InFile.
	Sealed []byte `json:"sealed,omitempty"`
}

// plain is what is encrypted: with its account, so that a file that was given
// another's name is of no use.
type plain struct{ Account, Password string }

// maxPassword bounds a password, in bytes.
const maxPassword = 4 << 10

// Store keeps the passwords of one user. It is safe for concurrent use, also by
// several processes: each password has a file of its own.
type Store struct {
	// config: not changed after New
	dir      string
	keychain Keychain
	work     int // scrypt's factor for a new passphrase, as a power of two

	// state: guarded by mu
	mu       sync.Mutex
	identity age.Identity // once the passphrase was given
}

// New is the store in a directory, which is made when it is needed.
func New(dir string, k Keychain) *Store { return &Store{dir: dir, keychain: k, work: scryptWork} }

// scryptWork makes a guess at the passphrase cost about a second.
const scryptWork = 18

// Dir is where a user's store is: in the directory of XDG_DATA_HOME when that
// is an absolute path, else in ~/.local/share.
func Dir(dataHome, home string) string {
	if !filepath.IsAbs(dataHome) {
		dataHome = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(dataHome, "sally", "passwords")
}

const recordSuffix = ".json"

func (s *Store) path(account string) string {
	sum := sha256.Sum256([]byte(account))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16])+recordSuffix)
}

// Set stores a password, in the keychain if there is one and file is false. An
// old one of the same account is replaced.
func (s *Store) Set(ctx context.Context, account, password string, file bool, ask Passphrases) (Where, error) {
	if password == "" || len(password) > maxPassword || strings.ContainsAny(password, "\n\r\x00") {
		return "", errors.New("a password is one line that is not empty, of 4096 bytes at most")
	}
	r := record{Entry: Entry{Account: account, Where: InKeychain, Since: time.Now().UTC().Truncate(time.Second)}}
	err := ErrNoKeychain
	if !file {
		err = s.keychain.Set(ctx, account, password)
	}
	if errors.Is(err, ErrNoKeychain) {
		r.Where = InFile
		text, _ := json.Marshal(plain{account, password})
		r.Sealed, err = s.seal(ctx, text, ask)
	}
	if err != nil {
		return "", fmt.Errorf("store the password of %s: %w", account, err)
	}
	old, oldErr := s.read(s.path(account))
	text, _ := json.Marshal(r)
	if err := atomicfile.Write(s.path(account), append(text, '\n')); err != nil {
		return "", fmt.Errorf("store the password of %s: %w", account, err)
	}
	if oldErr == nil && old.Where == InKeychain && r.Where == InFile {
		_ = s.keychain.Remove(ctx, account) // it has been replaced
	}
	return r.Where, nil
}

// Get is the password of an account; the error is ErrNone when none is stored.
func (s *Store) Get(ctx context.Context, account string, ask Passphrases) (string, error) {
	r, err := s.read(s.path(account))
	if errors.Is(err, fs.ErrNotExist) || err == nil && r.Account != account {
		return "", ErrNone
	}
	var password string
	if err == nil && r.Where == InKeychain {
		password, err = s.keychain.Get(ctx, account)
	} else if err == nil {
		password, err = s.unseal(ctx, account, r.Sealed, ask)
	}
	if err != nil {
		return "", fmt.Errorf("stored password of %s: %w", account, err)
	}
	return password, nil
}

func (s *Store) unseal(ctx context.Context, account string, sealed []byte, ask Passphrases) (string, error) {
	text, err := s.open(ctx, sealed, ask)
	if err != nil {
		return "", err
	}
	var p plain
	if err := json.Unmarshal(text, &p); err != nil || p.Account != account {
		return "", errors.New("the file holds another account's")
	}
	return p.Password, nil
}

// Remove forgets a password; the error is ErrNone when there was none.
func (s *Store) Remove(ctx context.Context, account string) error {
	r, err := s.read(s.path(account))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNone
	}
	if err == nil && r.Where == InKeychain {
		if err = s.keychain.Remove(ctx, account); errors.Is(err, ErrNone) {
			err = nil
		}
	}
	if err == nil {
		err = atomicfile.Remove(s.path(account))
	}
	if err != nil {
		return fmt.Errorf("forget the password of %s: %w", account, err)
	}
	return nil
}

// List is what is stored, by account. Files that make no sense are told in the
// error, beside the others.
func (s *Store) List() ([]Entry, error) {
	files, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []Entry
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), recordSuffix) {
			continue
		}
		r, odd := s.read(filepath.Join(s.dir, f.Name()))
		if odd != nil {
			err = errors.Join(err, odd)
			continue
		}
		all = append(all, r.Entry)
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Account, b.Account) })
	return all, err
}

func (s *Store) read(path string) (r record, err error) {
	text, err := readSmall(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil || r.Where != InKeychain && r.Where != InFile {
		return r, fmt.Errorf("%s is not a file of ours", path)
	}
	return r, nil
}
