package stdio

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// bufferSize is what the session's pump uses for bulk data.
const bufferSize = 64 << 10

func BenchmarkRead(b *testing.B) {
	for _, polled := range []bool{false, true} {
		b.Run(fmt.Sprintf("pipe/polled=%v", polled), func(b *testing.B) {
			r, w := rawPipe(b)
			benchmark(b, pair{"pipe", w, r, polled})
		})
	}
	b.Run("socket", func(b *testing.B) {
		r, w := rawSocketpair(b)
		benchmark(b, pair{"socket", w, r, false})
	})
}

// benchmark moves b.N buffers from a plain writer to a Reader.
func benchmark(b *testing.B, p pair) {
	r := p.reader(b)
	defer r.Close()
	b.SetBytes(bufferSize)
	b.ReportAllocs()
	go func() {
		out := make([]byte, bufferSize)
		for range b.N {
			withFd(p.in, func(fd int) error {
				for n := 0; n < bufferSize; {
					m, err := unix.Write(fd, out[n:])
					if err != nil {
						return err
					}
					n += m
				}
				return nil
			})
		}
	}()
	in := make([]byte, bufferSize)
	for left := b.N * bufferSize; left > 0; {
		n, err := r.Read(in)
		if err != nil {
			b.Fatal(err)
		}
		left -= n
	}
}

func BenchmarkWrite(b *testing.B) {
	pr, pw := rawPipe(b)
	sr, sw := rawSocketpair(b)
	for _, p := range []pair{{"pipe", pw, pr, false}, {"socket", sw, sr, false}} {
		b.Run(p.name, func(b *testing.B) {
			w := p.writer(b)
			defer w.Close()
			b.SetBytes(bufferSize)
			b.ReportAllocs()
			done := make(chan struct{})
			go func() {
				defer close(done)
				in := make([]byte, bufferSize)
				withFd(p.out, func(fd int) error {
					for left := b.N * bufferSize; left > 0; {
						n, err := unix.Read(fd, in)
						if err != nil {
							return err
						}
						left -= n
					}
					return nil
				})
			}()
			out := make([]byte, bufferSize)
			for range b.N {
				if _, err := w.Write(out); err != nil {
					b.Fatal(err)
				}
			}
			<-done
		})
	}
}
