package plain

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
)

// LayoutLen is how many characters a layout has.
const LayoutLen = 16

// Layout identifies how the types of some values are encoded: their kinds, in
// order, and the names of their fields. Programs for which it is equal can
// read each other's encodings; when it differs, none may be tried. It panics
// when a type is not plain data.
func Layout(values ...any) string {
	text := make([]byte, 0, 8<<10)
	for _, v := range values {
		text = append(appendLayout(text, reflect.TypeOf(v), nil), '\n')
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:LayoutLen/2])
}

// appendLayout describes a type. outer are the structs that it is within, of
// which it may be one again.
func appendLayout(b []byte, t reflect.Type, outer []reflect.Type) []byte {
	switch kind := t.Kind(); kind {
	case reflect.Bool, reflect.Float64, reflect.String,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return append(b, kind.String()...)
	case reflect.Slice:
		return appendLayout(append(b, "[]"...), t.Elem(), outer)
	case reflect.Pointer:
		return appendLayout(append(b, '*'), t.Elem(), outer)
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return appendLayout(append(b, "map "...), t.Elem(), outer)
		}
	case reflect.Struct:
		return appendFields(b, t, outer)
	}
	panic(fmt.Sprintf("plain: %v is not plain data", t))
}

func appendFields(b []byte, t reflect.Type, outer []reflect.Type) []byte {
	if t == timeType {
		return append(b, "time"...)
	}
	if i := slices.Index(outer, t); i >= 0 {
		return fmt.Appendf(b, "^%d", i)
	}
	if t.NumField() == 0 { // its encoding has no length by which a slice is bounded
		panic(fmt.Sprintf("plain: %v has no fields", t))
	}
	outer = append(outer, t)
	b = append(b, '{')
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.IsExported() {
			panic(fmt.Sprintf("plain: %v has fields of its own", t))
		}
		b = append(append(b, field.Name...), ' ')
		b = append(appendLayout(b, field.Type, outer), ';')
	}
	return append(b, '}')
}
