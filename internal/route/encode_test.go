package route_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/plain"
	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
	"sallyport/internal/sshtest"
)

// TestEncode keeps every option of every hop, and the key.
func TestEncode(t *testing.T) {
	number := 0
	hop := func() (h route.Hop) {
		h.Name = fmt.Sprint("hop", number)
		sshtest.Fill(reflect.ValueOf(&h.Options).Elem(), &number)
		return h
	}
	target := hop()
	target.Ways = []route.Way{{Hops: []route.Hop{hop(), hop()}}, {Command: "nc"}}
	configured, err := resolve(load(t, waysConfig), "t")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []route.Route{{Hops: []route.Hop{hop(), target}}, configured, {Hops: make([]route.Hop, route.MaxHops)}} {
		got, err := route.Decode(want.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if got.Key() != want.Key() {
			t.Errorf("the key is %s, was %s", got.Key(), want.Key())
		}
	}
}

// header is what stands before each of our encoded routes.
func header() []byte { return route.Route{}.Encode()[:plain.LayoutLen] }

// encoded is hops with their header.
func encoded(hops []route.Hop) []byte { return plain.Append(header(), &route.Route{Hops: hops}) }

// TestDecodeBounds counts all hops.
func TestDecodeBounds(t *testing.T) {
	long := func(n int) []route.Hop { return make([]route.Hop, n) }
	with := func(n int, ways ...route.Way) []route.Hop {
		hops := long(n)
		hops[n-1].Ways = ways
		return hops
	}
	wide := make([]route.Way, route.MaxTotal)
	deep := []route.Hop{{}}
	for range route.MaxHops {
		deep = []route.Hop{{Ways: []route.Way{{Hops: deep}}}}
	}
	for name, tt := range map[string]struct {
		hops []route.Hop
		ok   bool
	}{
		"none":                {nil, false},
		"an empty list":       {long(0), false},
		"the longest":         {long(route.MaxHops), true},
		"too long":            {long(route.MaxHops + 1), false},
		"the longest way":     {with(1, route.Way{Hops: long(route.MaxHops - 1)}), true},
		"too long a way":      {with(1, route.Way{Hops: long(route.MaxHops)}), false},
		"a way to the middle": {append(with(2, route.Way{Hops: long(20)}), long(11)...), true},
		"too many ways":       {with(1, wide...), false},
		"as many as possible": {with(1, wide[:route.MaxTotal-1]...), true},
		"nested":              {deep[0].Ways[0].Hops, true},
		"nested once more":    {deep, false},
	} {
		_, err := route.Decode(encoded(tt.hops))
		if tt.ok != (err == nil) || err != nil && !strings.Contains(err.Error(), "hops") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDecodeOthers are routes that were not encoded by us.
func TestDecodeOthers(t *testing.T) {
	good := encoded(make([]route.Hop, 2))
	other := bytes.Clone(good)
	other[0] ^= 1
	for name, tt := range map[string]struct {
		data []byte
		err  error
	}{
		"nothing":         {nil, plain.ErrMalformed},
		"half a header":   {good[:8], plain.ErrMalformed},
		"a header":        {header(), plain.ErrMalformed},
		"half":            {good[:len(good)/2], plain.ErrMalformed},
		"one byte more":   {append(bytes.Clone(good), 0), plain.ErrMalformed},
		"another build's": {other, route.ErrOtherBuild},
		"JSON":            {[]byte(`{"Hops":[{"Name":"a"}]}`), route.ErrOtherBuild},
	} {
		if _, err := route.Decode(tt.data); !errors.Is(err, tt.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRouteBomb is a small request for very many hops, or ways.
func TestRouteBomb(t *testing.T) {
	const size = 4 << 20
	one := plain.Append(nil, &route.Hop{})
	hops := size / len(one)
	for name, bomb := range map[string][]byte{
		"zeros": make([]byte, size),
		"hops":  encoded(make([]route.Hop, hops)),
		"ways":  encoded([]route.Hop{{Ways: make([]route.Way, size/2)}}),
		"names": encoded([]route.Hop{{Options: sshconfig.Options{Tags: make([]string, size)}}}),
	} {
		if name == "zeros" {
			bomb = append(append(header(), 0xff, 0xff, 0xff, 1), bomb...)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := route.Decode(bomb)
		runtime.ReadMemStats(&after)
		if err == nil && name != "names" {
			t.Errorf("%s: believed", name)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 200<<20 {
			t.Errorf("%s: %d MB for a request of %d", name, grown>>20, len(bomb)>>20)
		}
	}
}

// FuzzDecode: what is accepted is within the bounds and encodes as itself.
func FuzzDecode(f *testing.F) {
	f.Add(encoded(make([]route.Hop, 2))[plain.LayoutLen:])
	f.Add(encoded([]route.Hop{{Name: "a", Ways: []route.Way{{Command: "c"}}}})[plain.LayoutLen:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := route.Decode(append(header(), body...))
		if err != nil {
			return
		}
		again, err := route.Decode(r.Encode())
		if err != nil || again.Key() != r.Key() {
			t.Errorf("%v, %v", again, err)
		}
	})
}

// TestCostOfEncode: a command lives ten milliseconds and encodes once, so
// nothing is prepared for a second time.
func TestCostOfEncode(t *testing.T) {
	r := route.Route{Hops: make([]route.Hop, 3)}
	if n := testing.AllocsPerRun(10, func() { r.Encode() }); n > 3 {
		t.Errorf("%v allocations", n)
	}
}
