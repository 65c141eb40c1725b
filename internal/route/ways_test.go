package route_test

import (
	"errors"
	"strings"
	"testing"

	"sallyport/internal/route"
)

const waysConfig = `
Host t
  ProxyJump j1
  AlternateProxyJump j2,j3 none
Host t-other-order
  HostName t
  ProxyJump j2,j3
  AlternateProxyJump none j1
Host alone
  HostName t
  ProxyJump j1
Host self
  AlternateProxyJump self
Host first
  ProxyJump back1
  AlternateProxyJump ok
Host back1
  ProxyJump first
Host second
  ProxyJump ok
  AlternateProxyJump back2 none
Host back2
  AlternateProxyJump second
Host *
  User u
`

func TestWays(t *testing.T) {
	files := load(t, waysConfig)
	r, err := resolve(files, "t")
	if err != nil {
		t.Fatal(err)
	}
	var ways []string
	for i := range r.Ways() {
		along := r.Along(i)
		ways = append(ways, along.String())
		if along.Key() != r.Key() {
			t.Errorf("%s has another key", along)
		}
	}
	if got, want := strings.Join(ways, ", "), "j1 → t, j2 → j3 → t, t"; got != want {
		t.Errorf("ways are %s, want %s", got, want)
	}
	key := func(name string, overrides ...string) route.Key {
		t.Helper()
		r, err := resolve(files, name, overrides...)
		if err != nil {
			t.Fatal(err)
		}
		return r.Key()
	}
	if key("t-other-order") != r.Key() {
		t.Error("the order of the ways changes the key")
	}
	if key("alone") == r.Key() || key("t", "ProxyJump j1") != key("alone") || key("t", "ProxyJump none") == r.Key() {
		t.Error("a way that was asked for is not the only one")
	}
	if key("t", "AlternateAddress x") == r.Key() {
		t.Error("another address does not change the key")
	}
}

func TestLoopsThroughAlternates(t *testing.T) {
	files := load(t, waysConfig)
	for destination, path := range map[string]string{
		"self":   "self → self",
		"first":  "first → back1 → first",
		"second": "second → back2 → second",
		"back2":  "back2 → second → back2",
	} {
		_, err := resolve(files, destination)
		var loop *route.LoopError
		if !errors.As(err, &loop) || strings.Join(loop.Path, " → ") != path {
			t.Errorf("%s: %v, want the loop %s", destination, err, path)
		}
	}
}
