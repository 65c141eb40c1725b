package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPinsThatCannotBeSaved leave the ones that were saved before: the disk may
// be full, or the daemon be killed in the middle.
func TestPinsThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	// A new file beside it would have too long a name.
	file := filepath.Join(t.TempDir(), strings.Repeat("p", 250))
	if err := os.WriteFile(file, []byte("as it was"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (savedPins{Sets: make([]savedSet, 1)}).write(file); err == nil {
		t.Error("saved")
	}
	if text, err := os.ReadFile(file); string(text) != "as it was" {
		t.Errorf("the file is %q, %v", text, err)
	}
	for range 2 { // there is nothing to find any more, nor to remove
		if err := (savedPins{}).write(file); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(file); !os.IsNotExist(err) {
		t.Errorf("left: %v", err)
	}
}
