package identity

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	//lint:ignore SA1019 bcrypt_pbkdf, the key derivation of OpenSSH's format, is built on it
	"golang.org/x/crypto/blowfish"
	"golang.org/x/crypto/chacha20"
	//lint:ignore SA1019 chacha20-poly1305@openssh.com is not the AEAD of RFC 8439
	"golang.org/x/crypto/poly1305"
	"golang.org/x/crypto/ssh"
)

// fileCipher is a cipher that a private key can be encrypted with. Lengths are
// in bytes.
type fileCipher struct {
	key, iv, tag int
	block        int // the text is a multiple of it
	decrypt      func(key, iv, text, tag []byte) ([]byte, error)
}

// fileCiphers are those of OpenSSH's cipher.c, all of which "ssh-keygen -Z"
// can write.
var fileCiphers = map[string]fileCipher{
	"3des-cbc":                      {24, 8, 0, 8, cbc(des.NewTripleDESCipher)},
	"aes128-cbc":                    {16, 16, 0, 16, cbc(aes.NewCipher)},
	"aes192-cbc":                    {24, 16, 0, 16, cbc(aes.NewCipher)},
	"aes256-cbc":                    {32, 16, 0, 16, cbc(aes.NewCipher)},
	"aes128-ctr":                    {16, 16, 0, 16, ctr},
	"aes192-ctr":                    {24, 16, 0, 16, ctr},
	"aes256-ctr":                    {32, 16, 0, 16, ctr},
	"aes128-gcm@openssh.com":        {16, 12, 16, 16, gcm},
	"aes256-gcm@openssh.com":        {32, 12, 16, 16, gcm},
	"chacha20-poly1305@openssh.com": {64, 0, 16, 8, chachaPoly},
}

// maxRounds bounds the work of a key derivation. OpenSSH's default is 16 or
// 24; this many take minutes.
const maxRounds = 1 << 16

// decrypt returns the private block in the clear.
func (c *container) decrypt(passphrase []byte) ([]byte, error) {
	if c.Cipher == "none" && c.KDF == "none" {
		return bytes.Clone(c.Private), nil
	}
	fc, ok := fileCiphers[c.Cipher]
	if !ok {
		return nil, fmt.Errorf("%w: unknown cipher %q", ErrInvalidFormat, c.Cipher)
	}
	if c.KDF != "bcrypt" {
		return nil, fmt.Errorf("%w: unknown key derivation %q", ErrInvalidFormat, c.KDF)
	}
	if len(c.Private) == 0 || len(c.Private)%fc.block != 0 || len(c.Tag) != fc.tag {
		return nil, fmt.Errorf("%w: encrypted part has %d bytes, %d behind it", ErrInvalidFormat, len(c.Private), len(c.Tag))
	}
	if len(passphrase) == 0 {
		return nil, ErrWrongPassphrase
	}
	var opts struct {
		Salt   []byte
		Rounds uint32
	}
	if err := ssh.Unmarshal(c.KDFOptions, &opts); err != nil {
		return nil, fmt.Errorf("%w: key derivation options: %v", ErrInvalidFormat, err)
	}
	if len(opts.Salt) == 0 || opts.Rounds == 0 || opts.Rounds > maxRounds {
		return nil, fmt.Errorf("%w: key derivation with %d rounds and %d bytes of salt", ErrInvalidFormat, opts.Rounds, len(opts.Salt))
	}
	secret, err := bcryptPBKDF(passphrase, opts.Salt, int(opts.Rounds), fc.key+fc.iv)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	return fc.decrypt(secret[:fc.key], secret[fc.key:], c.Private, c.Tag)
}

func cbc(newCipher func([]byte) (cipher.Block, error)) func(key, iv, text, _ []byte) ([]byte, error) {
	return func(key, iv, text, _ []byte) ([]byte, error) {
		b, err := newCipher(key)
		if err != nil {
			return nil, err
		}
		out := make([]byte, len(text))
		cipher.NewCBCDecrypter(b, iv).CryptBlocks(out, text)
		return out, nil
	}
}

func ctr(key, iv, text, _ []byte) ([]byte, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(text))
	cipher.NewCTR(b, iv).XORKeyStream(out, text)
	return out, nil
}

func gcm(key, iv, text, tag []byte) ([]byte, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(b)
	if err != nil {
		return nil, err
	}
	out, err := aead.Open(nil, iv, append(bytes.Clone(text), tag...), nil)
	if err != nil {
		return nil, ErrWrongPassphrase
	}
	return out, nil
}

// chachaPoly is PROTOCOL.chacha20poly1305 for the packet number 0 and a packet
// without a length: only the first half of the key is used.
func chachaPoly(key, _, text, tag []byte) ([]byte, error) {
	var nonce [chacha20.NonceSize]byte
	stream, err := chacha20.NewUnauthenticatedCipher(key[:32], nonce[:])
	if err != nil {
		return nil, err
	}
	var polyKey [32]byte
	stream.XORKeyStream(polyKey[:], polyKey[:])
	var mac [16]byte
	poly1305.Sum(&mac, text, &polyKey)
	if subtle.ConstantTimeCompare(mac[:], tag) != 1 {
		return nil, ErrWrongPassphrase
	}
	stream.SetCounter(1)
	out := make([]byte, len(text))
	stream.XORKeyStream(out, text)
	return out, nil
}

// bcryptPBKDF is the key derivation of OpenSSH's format: PBKDF2's shape with
// bcrypt as its function, whose output blocks are interleaved in the key.
// OpenBSD's bcrypt_pbkdf(3)
func bcryptPBKDF(passphrase, salt []byte, rounds, length int) ([]byte, error) {
	const size = 32
	blocks := (length + size - 1) / size
	key := make([]byte, blocks*size)
	pass := sha512.Sum512(passphrase)
	defer clear(pass[:])
	for n := range blocks {
		block := binary.BigEndian.AppendUint32(bytes.Clone(salt), uint32(n+1))
		var sum [size]byte
		for range rounds {
			seed := sha512.Sum512(block)
			var err error
			if block, err = bcryptHash(pass[:], seed[:]); err != nil {
				return nil, err
			}
			subtle.XORBytes(sum[:], sum[:], block)
		}
		for i, b := range sum {
			key[i*blocks+n] = b
		}
	}
	return key[:length], nil
}

// bcryptHash is bcrypt with a longer text, 64 fixed rounds, and words turned
// to little endian.
func bcryptHash(pass, salt []byte) ([]byte, error) {
	c, err := blowfish.NewSaltedCipher(pass, salt)
	if err != nil {
		return nil, err
	}
	for range 64 {
		blowfish.ExpandKey(salt, c)
		blowfish.ExpandKey(pass, c)
	}
	out := []byte("OxychromaticBlowfishSwatDynamite")
	for i := 0; i < len(out); i += 8 {
		for range 64 {
			c.Encrypt(out[i:], out[i:])
		}
	}
	for i := 0; i < len(out); i += 4 {
		binary.LittleEndian.PutUint32(out[i:], binary.BigEndian.Uint32(out[i:]))
	}
	return out, nil
}
