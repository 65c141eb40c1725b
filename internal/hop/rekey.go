package hop

import (
	"errors"
	"reflect"
	"unsafe"

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
	transport := field(reflect.ValueOf(c), "transport")
	request := field(transport, "requestKex")
	if !request.IsValid() || request.Type() != reflect.TypeFor[chan struct{}]() || !request.CanAddr() {
		return nil, errNoRekey
	}
	ping := *(*chan struct{})(unsafe.Pointer(request.UnsafeAddr()))
	return func() {
		select {
		case ping <- struct{}{}:
		default: // one is asked for already
		}
	}, nil
}

// field is a field of the struct that v leads to; the zero Value if there is
// none.
func field(v reflect.Value, name string) reflect.Value {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.FieldByName(name)
}
