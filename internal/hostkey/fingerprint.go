package hostkey

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// digest hashes a key's plain wire form with one of FingerprintHash's values;
// SHA256 for a name that it does not know.
func digest(key ssh.PublicKey, hash string) (name string, sum []byte) {
	blob := Plain(key).Marshal()
	switch strings.ToLower(hash) {
	case "md5":
		s := md5.Sum(blob)
		return "MD5", s[:]
	case "sha1":
		s := sha1.Sum(blob)
		return "SHA1", s[:]
	case "sha384":
		s := sha512.Sum384(blob)
		return "SHA384", s[:]
	case "sha512":
		s := sha512.Sum512(blob)
		return "SHA512", s[:]
	}
	s := sha256.Sum256(blob)
	return "SHA256", s[:]
}

// Fingerprint is a key's fingerprint as ssh-keygen -l prints it: "SHA256:" and
// base64, or "MD5:" and colon-separated hex. hash is FingerprintHash: "sha256"
// (also for ""), "md5", "sha1", "sha384" or "sha512". A certificate has its
// key's fingerprint.
func Fingerprint(key ssh.PublicKey, hash string) string {
	name, sum := digest(key, hash)
	if name != "MD5" {
		return name + ":" + base64.RawStdEncoding.EncodeToString(sum)
	}
	h := make([]string, len(sum))
	for i, b := range sum {
		h[i] = hex.EncodeToString([]byte{b})
	}
	return name + ":" + strings.Join(h, ":")
}

// TypeName is a key's type as OpenSSH's messages name it: "RSA", "ECDSA",
// "ED25519", "ED25519-SK", and with "-CERT" for a certificate.
func TypeName(key ssh.PublicKey) string {
	base, rest, sk := strings.Cut(plainFormat(key.Type()), "@")
	sk = sk && rest == "openssh.com" && strings.HasPrefix(base, "sk-")
	base = strings.TrimPrefix(strings.TrimPrefix(base, "sk-"), "ssh-")
	name := strings.ToUpper(base)
	switch {
	case base == "dss":
		name = "DSA"
	case strings.HasPrefix(base, "ecdsa-"):
		name = "ECDSA"
	}
	if sk {
		name += "-SK"
	}
	if _, ok := key.(*ssh.Certificate); ok {
		name += "-CERT"
	}
	return name
}

// Bits is a key's size as ssh-keygen -l prints it, 0 for a type that has none.
func Bits(key ssh.PublicKey) int {
	key = Plain(key)
	switch typ := key.Type(); typ {
	case ssh.KeyAlgoRSA:
		return rsaBits(key)
	case keyAlgoDSA:
		r := reader{b: key.Marshal()}
		r.str()
		p := r.mpint()
		if len(p) == 0 {
			return 0
		}
		return len(p)*8 - leadingZeros(p[0])
	case ssh.KeyAlgoECDSA384:
		return 384
	case ssh.KeyAlgoECDSA521:
		return 521
	case ssh.KeyAlgoECDSA256, ssh.KeyAlgoED25519, ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoSKED25519:
		return 256
	}
	return 0
}

func leadingZeros(b byte) int {
	n := 0
	for mask := byte(0x80); mask != 0 && b&mask == 0; mask >>= 1 {
		n++
	}
	return n
}

// The field that the drunken bishop walks, and what it leaves by the number of
// its visits; the last two mark its start and end.
const (
	artWidth  = 17
	artHeight = 9
	artMarks  = " .o+=*BOX@%&#/^SE"
)

// RandomArt is the picture of a key that VisualHostKey shows and ssh-keygen
// -lv prints: eleven lines without a final newline. hash as for Fingerprint.
func RandomArt(key ssh.PublicKey, hash string) string {
	name, sum := digest(key, hash)
	field := walk(sum)
	var b bytes.Buffer
	b.WriteString(artBorder(artTitle(key)) + "\n")
	for _, row := range field {
		b.WriteByte('|')
		for _, n := range row {
			b.WriteByte(artMarks[n])
		}
		b.WriteString("|\n")
	}
	b.WriteString(artBorder("[" + name + "]"))
	return b.String()
}

// walk moves diagonally through the field, two bits of sum a step, and counts
// its visits.
func walk(sum []byte) (field [artHeight][artWidth]int) {
	const start, end = len(artMarks) - 2, len(artMarks) - 1
	x, y := artWidth/2, artHeight/2
	for _, b := range sum {
		for range 4 {
			x = min(max(x+int(b&1)*2-1, 0), artWidth-1)
			y = min(max(y+int(b>>1&1)*2-1, 0), artHeight-1)
			field[y][x] = min(field[y][x]+1, start-1)
			b >>= 2
		}
	}
	field[artHeight/2][artWidth/2] = start
	field[y][x] = end
	return field
}

// artTitle is "[type bits]", or "[type]" where that is too long; it never
// fills the whole border.
func artTitle(key ssh.PublicKey) string {
	title := fmt.Sprintf("[%s %s]", TypeName(key), strconv.Itoa(Bits(key)))
	if len(title) > artWidth {
		title = "[" + TypeName(key) + "]"
	}
	return title[:min(len(title), artWidth-1)]
}

func artBorder(title string) string {
	left := (artWidth - len(title)) / 2
	right := artWidth - len(title) - left
	return "+" + strings.Repeat("-", left) + title + strings.Repeat("-", right) + "+"
}
