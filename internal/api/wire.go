package api

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"sallyport/internal/plain"
)

// maxMessage bounds a message, in bytes.
const maxMessage = 4 << 20

// firstRead is how much memory a message gets before any of it is there.
const firstRead = 8 << 10

// errTooLong is about a message of more than maxMessage.
var errTooLong = errors.New("message is too long")

// writeMessage sends one message, which v points to, in one write.
func writeMessage(w io.Writer, v any) error {
	message, err := appendMessage(nil, v)
	if err != nil {
		return err
	}
	_, err = w.Write(message)
	return err
}

// appendMessage appends a message with its length.
func appendMessage(b []byte, v any) ([]byte, error) {
	start := len(b)
	b = plain.Append(append(b, 0, 0, 0, 0), v)
	size := len(b) - start - 4
	if size > maxMessage {
		return nil, fmt.Errorf("%w: %d bytes", errTooLong, size)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(size))
	return b, nil
}

// readMessage reads exactly one message into what v points to.
func readMessage(r io.Reader, v any) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	return decode(body, v)
}

func decode(body []byte, v any) error {
	if err := plain.Decode(body, v); err != nil {
		return fmt.Errorf("decode message: %w", err)
	}
	return nil
}

// readBody reads exactly one message. Memory grows only with what arrives.
func readBody(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxMessage {
		return nil, fmt.Errorf("%w: %d bytes", errTooLong, size)
	}
	n := int(size)
	body := make([]byte, 0, min(n, firstRead))
	for {
		had := len(body)
		body = body[:cap(body)]
		if _, err := io.ReadFull(r, body[had:]); err != nil {
			return nil, noEOF(err)
		}
		if len(body) == n {
			return body, nil
		}
		body = append(make([]byte, 0, min(2*len(body), n)), body...)
	}
}

// noEOF is the error of a read within a message.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
