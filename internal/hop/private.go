package hop

import (
	"reflect"
	"unsafe"
)

// private is a field of x/crypto/ssh's own that its interface does not lead to:
// found from v by the names of the fields on the way. It is nil when the library
// has no such field of that type, as another version may not.
func private[T any](v any, names ...string) *T {
	at := reflect.ValueOf(v)
	for _, name := range names {
		at = field(at, name)
	}
	if !at.IsValid() || at.Type() != reflect.TypeFor[T]() || !at.CanAddr() {
		return nil
	}
	return (*T)(unsafe.Pointer(at.UnsafeAddr()))
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
