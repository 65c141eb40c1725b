package hop

import (
	"slices"
	"testing"

	"sallyport/internal/sshconfig"
)

// The default list of OpenSSH, in its order.
var defaultCiphers = []string{"chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"}

func TestGCMFirst(t *testing.T) {
	for _, c := range []struct{ from, want []string }{
		{defaultCiphers, []string{"aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"}},
		{[]string{"chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com"}, []string{"aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"}},
		{[]string{"chacha20-poly1305@openssh.com", "aes128-ctr"}, []string{"chacha20-poly1305@openssh.com", "aes128-ctr"}},
		{nil, nil},
	} {
		before := slices.Clone(c.from)
		if got := gcmFirst(c.from); !slices.Equal(got, c.want) {
			t.Errorf("%v becomes %v instead of %v", c.from, got, c.want)
		}
		if !slices.Equal(c.from, before) {
			t.Errorf("the options' own list was changed to %v", c.from)
		}
	}
}

// A list that the user gave keeps its order, and no list gains a cipher.
func TestConfiguredCiphersKeepTheirOrder(t *testing.T) {
	c, err := transportConfig(sshconfig.Transport{Ciphers: defaultCiphers, CiphersSet: true})
	if err != nil || !slices.Equal(c.Ciphers, defaultCiphers) {
		t.Errorf("configured ciphers: %v, %v", c.Ciphers, err)
	}
	c, err = transportConfig(sshconfig.Transport{Ciphers: defaultCiphers})
	if err != nil || !slices.Equal(slices.Sorted(slices.Values(c.Ciphers)), slices.Sorted(slices.Values(defaultCiphers))) {
		t.Errorf("default ciphers: %v, %v", c.Ciphers, err)
	}
	if want := defaultCiphers[0]; (c.Ciphers[0] == want) == fastAES() {
		t.Errorf("the first of the default ciphers is %s", c.Ciphers[0])
	}
}
