package hostkey

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"strings"
)

// hashMagic begins a hashed name: "|1|" salt "|" HMAC-SHA1(salt, name), both
// in base64. sshd(8).
const hashMagic = "|1|"

// strictBase64 takes what OpenSSH takes, and no other spelling of it.
var strictBase64 = base64.StdEncoding.Strict()

const (
	sha1Block  = 64
	sha1Base64 = 28 // characters of a SHA-1 in base64
)

// matchHashed reports whether a hashed host names field stands for name.
func matchHashed(field, name string) bool {
	if len(field) != len(hashMagic)+2*sha1Base64+1 || !strings.HasPrefix(field, hashMagic) {
		return false
	}
	salt64, hash64 := field[len(hashMagic):][:sha1Base64], field[len(field)-sha1Base64:]
	if field[len(hashMagic)+sha1Base64] != '|' {
		return false
	}
	var raw [sha1Base64 / 4 * 3]byte
	n, err := strictBase64.Decode(raw[:], []byte(salt64))
	if err != nil || n != sha1.Size {
		return false
	}
	sum := hmacSHA1([sha1.Size]byte(raw[:sha1.Size]), name)
	var enc [sha1Base64]byte
	base64.StdEncoding.Encode(enc[:], sum[:])
	return string(enc[:]) == hash64
}

// hashName hashes name, in lower case, with a new salt.
func hashName(name string) string {
	var salt [sha1.Size]byte
	rand.Read(salt[:]) // never fails
	sum := hmacSHA1(salt, name)
	enc := base64.StdEncoding.EncodeToString
	return hashMagic + enc(salt[:]) + "|" + enc(sum[:])
}

// hmacSHA1 is HMAC (RFC 2104) without crypto/hmac's allocations: a lookup
// runs it once for each hashed line of a file.
func hmacSHA1(key [sha1.Size]byte, msg string) [sha1.Size]byte {
	var buf [sha1Block + 256]byte
	for i := range sha1Block {
		buf[i] = 0x36
	}
	for i, k := range key {
		buf[i] ^= k
	}
	inner := sha1.Sum(append(buf[:sha1Block], msg...))
	for i := range sha1Block {
		buf[i] ^= 0x36 ^ 0x5c
	}
	return sha1.Sum(append(buf[:sha1Block], inner[:]...))
}
