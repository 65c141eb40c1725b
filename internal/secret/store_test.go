package secret_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sallyport/internal/secret"
)

// chain is a keychain in memory; absent is one that is not there.
type chain struct {
	absent bool
	broken error
	mu     sync.Mutex
	kept   map[string]string
}

func (c *chain) state() error {
	if c.absent {
		return fmt.Errorf("%w: no bus", secret.ErrNoKeychain)
	}
	return c.broken
}

func (c *chain) Get(_ context.Context, account string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.kept[account]; ok || c.state() != nil {
		return p, c.state()
	}
	return "", secret.ErrNone
}

func (c *chain) Set(_ context.Context, account, password string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state() == nil {
		c.kept[account] = password
	}
	return c.state()
}

func (c *chain) Remove(_ context.Context, account string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.kept, account)
	return c.state()
}

// phrases answers with the given ones in turn and counts.
type phrases struct {
	old   []string
	asked int
}

func (p *phrases) New(context.Context) (string, error) { return "open sesame", nil }
func (p *phrases) Old(context.Context, bool) (string, error) {
	p.asked++
	answer := p.old[0]
	if len(p.old) > 1 {
		p.old = p.old[1:]
	}
	return answer, nil
}

var ctx = context.Background()

func TestKeychain(t *testing.T) {
	kept := &chain{kept: map[string]string{}}
	s := secret.New(filepath.Join(t.TempDir(), "p"), kept)
	if _, err := s.Get(ctx, "a@h:22", nil); !errors.Is(err, secret.ErrNone) {
		t.Errorf("nothing stored: %v", err)
	}
	if where, err := s.Set(ctx, "a@h:22", "pw", false, nil); where != secret.InKeychain || err != nil {
		t.Errorf("%v, %v", where, err)
	}
	if p, err := s.Get(ctx, "a@h:22", nil); p != "pw" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	if all, err := s.List(); len(all) != 1 || all[0].Account != "a@h:22" || all[0].Where != secret.InKeychain || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	kept.broken = errors.New("locked")
	if _, err := s.Set(ctx, "b@h:22", "pw", false, nil); err == nil || strings.Contains(err.Error(), "pw") {
		t.Errorf("a locked keychain: %v", err) // no silent second choice
	}
	if _, err := s.Get(ctx, "a@h:22", nil); err == nil {
		t.Error("a locked keychain answers")
	}
	kept.broken = nil
	if err := s.Remove(ctx, "a@h:22"); err != nil || len(kept.kept) != 0 {
		t.Errorf("%v, %v", err, kept.kept)
	}
	if err := s.Remove(ctx, "a@h:22"); !errors.Is(err, secret.ErrNone) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestEncryptedFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	kept := &chain{absent: true, kept: map[string]string{}}
	s := secret.New(dir, kept).Cheap()
	for account, password := range map[string]string{"a@h:22": "first word", "b@[::1]:22": "second word"} {
		if where, err := s.Set(ctx, account, password, false, &phrases{}); where != secret.InFile || err != nil {
			t.Fatalf("%v, %v", where, err)
		}
	}
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		info, _ := f.Info()
		if err != nil || strings.Contains(string(text), "word") || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v, %q", f.Name(), err, info.Mode(), text)
		}
	}
	s = secret.New(dir, kept).Cheap() // another process
	ask := &phrases{old: []string{"wrong", "", "open sesame"}}
	for range 2 {
		if p, err := s.Get(ctx, "a@h:22", ask); p != "first word" || err != nil {
			t.Errorf("%q, %v", p, err)
		}
		if p, err := s.Get(ctx, "b@[::1]:22", ask); p != "second word" || err != nil {
			t.Errorf("%q, %v", p, err)
		}
	}
	if ask.asked != 3 {
		t.Errorf("asked %d times", ask.asked)
	}
	s = secret.New(dir, kept).Cheap()
	if _, err := s.Get(ctx, "a@h:22", &phrases{old: []string{"wrong"}}); !errors.Is(err, secret.ErrPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if err := s.Remove(ctx, "a@h:22"); err != nil {
		t.Error(err)
	}
	if all, err := s.List(); len(all) != 1 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}

// TestForgedFiles: somebody who can write the files, but does not know the
// passphrase, cannot give a host another's password.
func TestForgedFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	s := secret.New(dir, &chain{absent: true}).Cheap()
	name := func(account string) string {
		before, _ := filepath.Glob(filepath.Join(dir, "*.json"))
		if _, err := s.Set(ctx, account, "of "+account, false, &phrases{}); err != nil {
			t.Fatal(err)
		}
		after, _ := filepath.Glob(filepath.Join(dir, "*.json"))
		for _, f := range after {
			if !strings.Contains(strings.Join(before, " "), f) {
				return f
			}
		}
		t.Fatal("no file")
		return ""
	}
	a, b := name("a@h:22"), name("b@evil:22")
	text, _ := os.ReadFile(a)
	ask := &phrases{old: []string{"open sesame"}}
	os.WriteFile(b, text, 0o600)
	if p, err := s.Get(ctx, "b@evil:22", ask); err == nil || p != "" {
		t.Errorf("another's file: %q, %v", p, err)
	}
	os.WriteFile(b, []byte(strings.Replace(string(text), "a@h:22", "b@evil:22", 1)), 0o600)
	if p, err := s.Get(ctx, "b@evil:22", ask); err == nil || p != "" {
		t.Errorf("another's password under this name: %q, %v", p, err)
	}
	for _, odd := range []string{"", "{", "{}", `{"where":"file","account":"b@evil:22"}`, `{"where":"file","account":"b@evil:22","sealed":"AAAA"}`, strings.Repeat("x", 1<<17)} {
		os.WriteFile(b, []byte(odd), 0o600)
		if p, err := s.Get(ctx, "b@evil:22", ask); err == nil || p != "" {
			t.Errorf("%.40q: %q, %v", odd, p, err)
		}
	}
	os.Remove(b)
	os.Mkdir(b, 0o700)
	if all, err := s.List(); len(all) != 1 || err == nil {
		t.Errorf("%v, %v", all, err)
	}
}

func TestBadPasswords(t *testing.T) {
	s := secret.New(t.TempDir(), &chain{kept: map[string]string{}})
	for _, bad := range []string{"", "two\nlines", "nul\x00", strings.Repeat("x", 5000)} {
		if _, err := s.Set(ctx, "a", bad, false, nil); err == nil {
			t.Errorf("%.20q was stored", bad)
		}
	}
}
