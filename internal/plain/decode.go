package plain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"
)

// Bounds of what is decoded.
const (
	// maxDepth is of values within values.
	maxDepth = 256
	// maxGrowth is how many bytes in memory one byte of a message may become:
	// the longest struct in use is not as much longer than its encoding.
	maxGrowth = 32
)

// ErrMalformed is wrapped by the errors of Decode.
var ErrMalformed = errors.New("malformed data")

// Decode sets what v points to, which must be a zero value, to what data
// encodes, all of it. Strings share one copy of data. Whatever data is,
// Decode takes no more than 32 times its memory.
func Decode(data []byte, v any) error {
	d := decoder{rest: string(data), budget: maxGrowth * len(data)}
	d.value(reflect.ValueOf(v).Elem(), maxDepth)
	if d.err == nil && d.rest != "" {
		d.fail("%d bytes too many", len(d.rest))
	}
	return d.err
}

// decoder reads on until its first error; after that all is zero.
type decoder struct {
	rest   string
	budget int // how many bytes may be allocated
	err    error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
	}
	d.rest = ""
}

// value reads a value, within which there may be so many levels of others.
func (d *decoder) value(v reflect.Value, levels int) {
	if levels == 0 {
		d.fail("too deep")
	}
	if d.err != nil {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(d.flag())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.setInt(v)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.setUint(v)
	case reflect.Float64:
		if s := d.take(8); d.err == nil {
			v.SetFloat(math.Float64frombits(binary.BigEndian.Uint64([]byte(s))))
		}
	case reflect.String:
		v.SetString(d.text())
	case reflect.Slice:
		d.slice(v, levels-1)
	case reflect.Map:
		d.entries(v, levels-1)
	case reflect.Pointer:
		if d.flag() && d.afford(1, v.Type().Elem()) {
			v.Set(reflect.New(v.Type().Elem()))
			d.value(v.Elem(), levels-1)
		}
	case reflect.Struct:
		d.fields(v, levels-1)
	default:
		panic(fmt.Sprintf("plain: %v is not plain data", v.Type()))
	}
}

// take reads n bytes.
func (d *decoder) take(n int) string {
	if n > len(d.rest) {
		d.fail("%d bytes expected, %d left", n, len(d.rest))
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) flag() bool {
	s := d.take(1)
	if d.err == nil && s[0] > 1 {
		d.fail("a flag is %d", s[0])
	}
	return d.err == nil && s[0] == 1
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint([]byte(d.rest[:min(len(d.rest), binary.MaxVarintLen64)]))
	if size <= 0 {
		d.fail("no number")
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) setInt(v reflect.Value) {
	u := d.uvarint()
	n := int64(u >> 1)
	if u&1 != 0 {
		n = ^n
	}
	if v.OverflowInt(n) {
		d.fail("%d is too large", n)
		return
	}
	v.SetInt(n)
}

func (d *decoder) setUint(v reflect.Value) {
	n := d.uvarint()
	if v.OverflowUint(n) {
		d.fail("%d is too large", n)
		return
	}
	v.SetUint(n)
}

func (d *decoder) text() string { return d.take(d.within(d.uvarint())) }

// length reads how many elements follow, -1 for nil.
func (d *decoder) length() int {
	n := d.uvarint()
	if n == 0 {
		return -1
	}
	return d.within(n - 1)
}

// within checks a length: whatever follows has at least one byte for each.
func (d *decoder) within(n uint64) int {
	if n > uint64(len(d.rest)) {
		d.fail("length %d, %d bytes left", n, len(d.rest))
		return 0
	}
	return int(n)
}

// afford takes the memory for n of a type from what is left.
func (d *decoder) afford(n int, t reflect.Type) bool {
	if n > 0 && uintptr(d.budget)/uintptr(n) < t.Size() {
		d.fail("%d of %d bytes each", n, t.Size())
		return false
	}
	d.budget -= n * int(t.Size())
	return true
}

func (d *decoder) slice(v reflect.Value, levels int) {
	n := d.length()
	if d.err != nil || n < 0 {
		return
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes([]byte(d.take(n)))
		return
	}
	if !d.afford(n, v.Type().Elem()) {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		d.value(v.Index(i), levels)
	}
}

func (d *decoder) entries(v reflect.Value, levels int) {
	n := d.length()
	if d.err != nil || n < 0 {
		return
	}
	t := v.Type()
	v.Set(reflect.MakeMap(t))
	for last := ""; n > 0 && d.err == nil; n-- {
		key := d.text()
		if v.Len() > 0 && key <= last {
			d.fail("key %q behind %q", key, last)
			return
		}
		element := reflect.New(t.Elem()).Elem()
		if d.value(element, levels); d.err == nil {
			v.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), element)
		}
		last = key
	}
}

func (d *decoder) fields(v reflect.Value, levels int) {
	if v.Type() != timeType {
		for i := range v.NumField() {
			d.value(v.Field(i), levels)
		}
		return
	}
	if err := v.Addr().Interface().(*time.Time).UnmarshalBinary([]byte(d.text())); err != nil {
		d.fail("%v", err)
	}
}
