package plain

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type word string

type tree struct {
	Name     string
	Branches []tree
	Next     *tree
}

// everything has each kind of plain data.
type everything struct {
	Flag    bool
	Small   int8
	Number  int
	Wide    int64
	Byte    uint8
	Mask    uint32
	Large   uint64
	Ratio   float64
	Text    string
	Word    word
	Raw     []byte
	List    []string
	Map     map[string]int
	Words   map[word][]string
	Pointer *int64
	Trees   []tree
	When    time.Time
	Maybe   *time.Time
	For     time.Duration
}

func full() everything {
	n := int64(-3)
	when := time.Date(2026, 2, 3, 4, 5, 6, 7, time.FixedZone("", 5400))
	return everything{
		Flag: true, Small: math.MinInt8, Number: -1, Wide: math.MinInt64, Byte: math.MaxUint8, Mask: math.MaxUint32,
		Large: math.MaxUint64, Ratio: -0.5, Text: "tèxt\x00", Word: "w", Raw: []byte{0, 255}, List: []string{"", "b"},
		Map: map[string]int{"b": 2, "a": 1, "": 0}, Words: map[word][]string{"x": {"y"}, "z": nil},
		Pointer: &n, Trees: []tree{{Name: "a", Branches: []tree{{Name: "b"}}, Next: &tree{Name: "c"}}, {}},
		When: when, Maybe: &when, For: time.Minute,
	}
}

// TestRoundTrip keeps all, and tells nil from empty.
func TestRoundTrip(t *testing.T) {
	zero := time.Time{}
	for name, want := range map[string]everything{
		"zero": {}, "full": full(),
		"empty": {Raw: []byte{}, List: []string{}, Map: map[string]int{}, Words: map[word][]string{}, Pointer: new(int64),
			Trees: []tree{}, Maybe: &zero},
		"largest": {Small: math.MaxInt8, Wide: math.MaxInt64, Ratio: math.Inf(1), When: time.Now().UTC().Round(0)},
	} {
		var got everything
		if err := Decode(Append(nil, &want), &got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestGolden pins the encoding.
func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		value any
		want  string
	}{
		{new(bool), "00"},
		{&struct{ A, B int }{-1, 64}, "018001"},
		{&struct{ A uint16 }{300}, "ac02"},
		{&struct{ A float64 }{1}, "3ff0000000000000"},
		{&struct{ A string }{"hi"}, "026869"},
		{&struct{ A, B, C []string }{nil, []string{}, []string{"x"}}, "0001020178"},
		{&struct{ A, B *bool }{nil, new(bool)}, "000100"},
		{&struct{ A map[string]uint8 }{map[string]uint8{"b": 2, "a": 1}}, "030161010162" + "02"},
		{&struct{ A time.Time }{time.Unix(1, 2).UTC()}, "0f010000000e7791f70100000002ffff"},
	} {
		if got := hex.EncodeToString(Append(nil, tt.value)); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.value, got, tt.want)
		}
	}
}

// TestOddZone has an offset that does not fit: the time is the same.
func TestOddZone(t *testing.T) {
	want, got := time.Unix(1, 0).In(time.FixedZone("", 60*(1<<16))), time.Time{}
	if err := Decode(Append(nil, &want), &got); err != nil || !got.Equal(want) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestLayout differs with whatever changes the encoding or its meaning.
func TestLayout(t *testing.T) {
	seen := map[string]reflect.Type{}
	for _, v := range []any{
		struct{ A int }{}, struct{ B int }{}, struct{ A int64 }{}, struct{ A uint }{}, struct{ A string }{}, struct{ A []byte }{},
		struct{ A []string }{}, struct{ A *int }{}, struct{ A map[string]int }{}, struct{ A map[string]uint }{}, struct{ A time.Time }{},
		struct{ A, B int }{}, struct{ B, A int }{}, struct{ A struct{ B int } }{}, struct {
			A struct{ B int }
			C int
		}{}, struct {
			A struct{ B, C int }
		}{}, tree{}, everything{}, 0, "",
	} {
		l := Layout(v)
		if len(l) != LayoutLen {
			t.Errorf("%T: %q", v, l)
		}
		if other := seen[l]; other != nil {
			t.Errorf("%T and %v have one layout", v, other)
		}
		seen[l] = reflect.TypeOf(v)
	}
	if Layout(tree{}, 0) == Layout(tree{}) || Layout(0, tree{}) == Layout(tree{}, 0) {
		t.Error("not all types count, in their order")
	}
	if Layout(struct{ A word }{}) != Layout(struct{ A string }{}) {
		t.Error("the names of types count")
	}
	if got := string(appendLayout(nil, reflect.TypeFor[tree](), nil)); got != "{Name string;Branches []^0;Next *^0;}" {
		t.Error(got)
	}
}

// TestNotPlain is refused before anything is sent.
func TestNotPlain(t *testing.T) {
	for _, v := range []any{
		struct{ a int }{}, struct{ A any }{}, struct{ A func() }{}, struct{ A chan int }{}, struct{ A map[int]int }{},
		struct{}{}, []struct{}{}, [2]int{}, complex(0, 0), uintptr(0), float32(0), struct{ A *struct{ b int } }{}, errors.New(""),
	} {
		func() {
			defer func() {
				if text, ok := recover().(string); !ok || !strings.HasPrefix(text, "plain: ") {
					t.Errorf("%T: %v", v, text)
				}
			}()
			t.Errorf("%T has the layout %s", v, Layout(v))
		}()
	}
}

// TestHostile is what no encoder has written.
func TestHostile(t *testing.T) {
	type many struct{ A []everything }
	type maps struct{ A map[string]bool }
	huge := string([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	for name, tt := range map[string]struct {
		data string
		into any
		err  string
	}{
		"nothing":                 {"", new(bool), "1 bytes expected, 0 left"},
		"a byte too many":         {"\x01\x00", new(bool), "1 bytes too many"},
		"no flag":                 {"\x02", new(bool), "a flag is 2"},
		"no number":               {"\x80", new(int), "no number"},
		"a number of 11 bytes":    {strings.Repeat("\xff", 10) + "\x01", new(int), "no number"},
		"too large":               {"\x80\x02", new(int8), "128 is too large"},
		"too large, unsigned":     {"\x80\x02", new(uint8), "256 is too large"},
		"half a ratio":            {"1234", new(float64), "8 bytes expected, 4 left"},
		"half a text":             {"\x05text", new(string), "length 5, 4 bytes left"},
		"a text of 2^64":          {huge + "x", new(string), "length 18446744073709551615"},
		"a list of 2^64":          {huge + "x", new([]string), "length 18446744073709551614"},
		"bytes of 2^64":           {huge + "x", new([]byte), "length 18446744073709551614"},
		"a map of 2^64":           {huge + "x", new(map[string]int), "length 18446744073709551614"},
		"half a list":             {"\x03\x01x", new([]string), "no number"},
		"more than is affordable": {"\x65" + strings.Repeat("\x00", 100), new(many), "100 of"},
		"a key twice":             {"\x03\x01a\x00\x01a\x00", new(maps), `key "a" behind "a"`},
		"keys in disorder":        {"\x03\x01b\x00\x01a\x00", new(maps), `key "a" behind "b"`},
		"no time":                 {"\x02\x01\x01", new(time.Time), "Time.UnmarshalBinary"},
		"too deep":                {strings.Repeat("\x00\x02", 1000), new(tree), "too deep"},
	} {
		err := Decode([]byte(tt.data), tt.into)
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %s", name, err, tt.err)
		}
	}
}

// TestEveryCut is an error, and so is every byte more.
func TestEveryCut(t *testing.T) {
	v := full()
	data := Append(nil, &v)
	for i := range data {
		if err := Decode(data[:i], new(everything)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d of %d bytes: %v", i, len(data), err)
		}
	}
	if err := Decode(append(data, 0), new(everything)); !errors.Is(err, ErrMalformed) {
		t.Errorf("one more: %v", err)
	}
}

// TestMemory is bounded by what has arrived.
func TestMemory(t *testing.T) {
	zeros := make([]byte, 1<<20)
	bomb := append([]byte{0xff, 0xff, 0x3f}, zeros...)
	// Each tree says that it has half a million branches, and is the first of them.
	nested := append(bytes.Repeat([]byte{0, 0x80, 0x80, 0x20}, 20), zeros...)
	for into, bomb := range map[any][]byte{new([]everything): bomb, new([]tree): bomb, new([]string): bomb,
		new([]*everything): bomb, new(map[string]everything): bomb, new(tree): nested} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := Decode(bomb, into)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%T: believed", into)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64((maxGrowth+2)*len(bomb)) {
			t.Errorf("%T: %d MB for %d", into, grown>>20, len(bomb)>>20)
		}
	}
}

// FuzzDecode: what is accepted is encoded as it will be read again.
func FuzzDecode(f *testing.F) {
	v := full()
	f.Add(Append(nil, &v))
	f.Add(Append(nil, &everything{}))
	f.Add([]byte{})
	f.Add([]byte(strings.Repeat("\x00\x02", 1000)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var one, two everything
		if err := Decode(data, &one); err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Error(err)
			}
			return
		}
		first := Append(nil, &one)
		if err := Decode(first, &two); err != nil {
			t.Fatal(err)
		}
		if second := Append(nil, &two); !bytes.Equal(first, second) {
			t.Errorf("%x, then %x", first, second)
		}
	})
}
