package sshtest

import (
	"fmt"
	"reflect"
	"time"
)

// Fill sets all that v has to values that differ, for tests that nothing of it is
// lost. number counts the values; it panics when v has what is no plain data.
func Fill(v reflect.Value, number *int) {
	*number++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *number))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*number))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*number))
	case reflect.Float64:
		v.SetFloat(float64(*number) / 2)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		Fill(v.Elem(), number)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		Fill(v.Index(0), number)
		Fill(v.Index(1), number)
	case reflect.Map:
		key, element := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		Fill(key, number)
		Fill(element, number)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, element)
	case reflect.Struct:
		if when, ok := v.Addr().Interface().(*time.Time); ok {
			*when = time.Unix(int64(*number), 1).UTC()
			return
		}
		for i := range v.NumField() {
			Fill(v.Field(i), number)
		}
	default:
		panic("Fill: " + v.Type().String())
	}
}
