package plain

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"
)

// timeType is the one struct with fields of its own that is plain.
var timeType = reflect.TypeFor[time.Time]()

// Append appends the encoding of what v points to. It panics when that is of a
// type that Layout refuses.
func Append(b []byte, v any) []byte { return appendValue(b, reflect.ValueOf(v).Elem()) }

func appendValue(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Bool:
		return appendFlag(b, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(b, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.AppendUvarint(b, v.Uint())
	case reflect.Float64:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v.Float()))
	case reflect.String:
		return appendText(b, v.String())
	case reflect.Slice:
		return appendSlice(b, v)
	case reflect.Map:
		return appendMap(b, v)
	case reflect.Pointer:
		if b = appendFlag(b, !v.IsNil()); v.IsNil() {
			return b
		}
		return appendValue(b, v.Elem())
	case reflect.Struct:
		return appendStruct(b, v)
	}
	panic(fmt.Sprintf("plain: %v is not plain data", v.Type()))
}

func appendFlag(b []byte, set bool) []byte {
	if set {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendLength appends a length and 1, or 0 for nil.
func appendLength(b []byte, v reflect.Value) []byte {
	if v.IsNil() {
		return append(b, 0)
	}
	return binary.AppendUvarint(b, uint64(v.Len())+1)
}

func appendSlice(b []byte, v reflect.Value) []byte {
	b = appendLength(b, v)
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return append(b, v.Bytes()...)
	}
	for i := range v.Len() {
		b = appendValue(b, v.Index(i))
	}
	return b
}

// appendMap appends the entries in the order of their keys: equal maps have
// equal encodings.
func appendMap(b []byte, v reflect.Value) []byte {
	b = appendLength(b, v)
	if v.Len() == 0 {
		return b
	}
	entries := map[string]reflect.Value{}
	for each := v.MapRange(); each.Next(); {
		entries[each.Key().String()] = each.Value()
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		b = appendValue(appendText(b, key), entries[key])
	}
	return b
}

func appendStruct(b []byte, v reflect.Value) []byte {
	if v.Type() == timeType {
		return appendTime(b, v.Interface().(time.Time))
	}
	for i := range v.NumField() {
		b = appendValue(b, v.Field(i))
	}
	return b
}

// appendTime appends the time with its zone, or without one that has no
// encoding (its offset is of weeks).
func appendTime(b []byte, t time.Time) []byte {
	text, err := t.MarshalBinary()
	if err != nil {
		text, _ = t.UTC().MarshalBinary()
	}
	return appendText(b, string(text))
}
