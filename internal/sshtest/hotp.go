package sshtest

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// otp is a host's one-time codes by RFC 4226, six digits. A code is good once.
type otp struct {
	secret []byte

	mu      sync.Mutex
	counter uint64
}

func (o *otp) next() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counter++
	return hotp(o.secret, o.counter-1)
}

// hotp is RFC 4226 §5.3.
func hotp(secret []byte, counter uint64) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, counter))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// installPAM writes a PAM service that asks for the account's password and then
// for a code, in two conversations, which sshd makes two rounds. It returns the
// service's name.
func (o *otp) installPAM(t testing.TB, dir, account string) string {
	t.Helper()
	users := filepath.Join(dir, "oath.users")
	line := fmt.Sprintf("HOTP\t%s\t-\t%s\n", account, hex.EncodeToString(o.secret))
	if err := os.WriteFile(users, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	rules := "# " + ownerMark(os.Getpid()) + "\n" +
		"auth required pam_unix.so nodelay\n" +
		"auth required pam_oath.so usersfile=" + users + " window=20 digits=6\n" +
		"account required pam_permit.so\n" +
		"session required pam_permit.so\n"
	file := servicePrefix + randomHex(4)
	t.Cleanup(func() { os.Remove(file) })
	if err := os.WriteFile(file, []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
	return filepath.Base(file)
}
