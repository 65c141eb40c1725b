package session

import "io"

const (
	// smallBuffer is what an idle stream holds. A read that fills it is a
	// sign of bulk data, which gets a largeBuffer for as long as it lasts.
	smallBuffer = 2 << 10
	largeBuffer = 2 * bulkPacket
	// bulkPacket is what goes into one packet at a time: less than the 32 KiB
	// that servers take, by what each hop of a chain adds around it. A full
	// packet would need two at the hop before, and three at the one before that.
	bulkPacket = 32<<10 - 512
	// patience is how many small reads in a row end the bulk.
	patience = 16
)

// pump copies src to write until src ends or write fails, and returns the
// error of write. It keeps little memory while src is silent.
func pump(src io.Reader, write func([]byte) error) error {
	small := make([]byte, smallBuffer)
	buf, calm := small, 0
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if err := write(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
		switch {
		case n >= smallBuffer:
			calm = 0
			if len(buf) == smallBuffer {
				buf = make([]byte, largeBuffer)
			}
		case len(buf) > smallBuffer:
			if calm++; calm == patience {
				buf = small
			}
		}
	}
}
