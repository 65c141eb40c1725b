package api

import (
	"fmt"
	"testing"
)

// TestThrough has every master at one place of the tree.
func TestThrough(t *testing.T) {
	t.Parallel()
	all := []Master{{Number: 1}, {Number: 5}, {Number: 2, Through: 1}, {Number: 6, Through: 5}, {Number: 8, Through: 7}, {Number: 3, Through: 2}}
	for through, want := range map[int]string{0: "[1 5 8]", 1: "[2]", 2: "[3]", 3: "[]", 5: "[6]", 7: "[]"} {
		numbers := []int{}
		for _, m := range Through(all, through) {
			numbers = append(numbers, m.Number)
		}
		if got := fmt.Sprint(numbers); got != want {
			t.Errorf("through %d: %s, want %s", through, got, want)
		}
	}
}
