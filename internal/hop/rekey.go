package hop

import (
	"errors"

	"golang.org/x/crypto/ssh"
)

// errNoRekey is returned when the library does not let us ask for new keys.
var errNoRekey = errors.New("the transport cannot be asked for a key exchange")

// Rekey asks for new keys (ssh(1), the escape "~R"). It does not wait for them.
func (c *Conn) Rekey() error {
	rekey, err := rekeyer(c.Conn)
	if err == nil {
		rekey()
	}
	return err
}

// rekeyer gives a function that starts a key exchange.
//
// x/crypto/ssh exchanges keys anew after a volume of data only, and has no
// call to ask for it. What it has is a
// channel of its own that its reader and writer ping when the volume is
// reached; this finds it. When a version of the library has it elsewhere the
// caller gets errNoRekey, and TestRekeyByTime fails.
func rekeyer(c ssh.Conn) (func(), error) {
	request := private[chan struct{}](c, "transport", "requestKex")
	if request == nil {
		return nil, errNoRekey
	}
	return func() {
		select {
		case *request <- struct{}{}:
		default: // one is asked for already
		}
	}, nil
}
