package transfer

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkSmallFiles copies a thousand small files each time, over pipes.
func BenchmarkSmallFiles(b *testing.B) {
	from, to := b.TempDir(), b.TempDir()
	for i := range 1000 {
		write(b, filepath.Join(from, "tree", fmt.Sprint("d", i%10), fmt.Sprint("f", i)), noise(i), 0o644)
	}
	for _, up := range []bool{true, false} {
		b.Run(fmt.Sprint("up=", up), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				name := filepath.Join(to, fmt.Sprint(up, i))
				cfg := Config{Sources: []Place{{nil, filepath.Join(from, "tree")}}, Target: Place{connect(b, to, nil), name}, Recursive: true}
				if !up {
					cfg.Sources, cfg.Target = []Place{{connect(b, from, nil), "tree"}}, Place{nil, name}
				}
				mustCopy(b, cfg)
				os.RemoveAll(name)
			}
		})
	}
}

// BenchmarkLargeFile copies 64 MiB each time, over pipes.
func BenchmarkLargeFile(b *testing.B) {
	from, to := b.TempDir(), b.TempDir()
	write(b, filepath.Join(from, "large"), noise(64<<20), 0o644)
	for _, up := range []bool{true, false} {
		b.Run(fmt.Sprint("up=", up), func(b *testing.B) {
			b.SetBytes(64 << 20)
			for b.Loop() {
				cfg := Config{Sources: []Place{{nil, filepath.Join(from, "large")}}, Target: Place{connect(b, to, nil), "copy"}}
				if !up {
					cfg.Sources, cfg.Target = []Place{{connect(b, from, nil), "large"}}, Place{nil, filepath.Join(to, "copy")}
				}
				mustCopy(b, cfg)
			}
		})
	}
}
