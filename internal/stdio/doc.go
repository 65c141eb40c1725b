// Package stdio reads and writes descriptors that other processes share: our
// own 0, 1 and 2, and those that a client passed over a control socket. It
// knows terminals, pipes, sockets and files; it must not know what the bytes
// are for, nor set a terminal's mode.
//
// The file status flags of such a descriptor belong to everybody who has it:
// setting O_NONBLOCK on a terminal breaks the user's shell. Nothing here ever
// changes them. Instead, on Linux,
//
//   - a terminal or a pipe is opened once more through /proc, which gives a
//     description of our own that may be non-blocking;
//   - a socket is used with MSG_DONTWAIT;
//   - a regular file, /dev/null and whatever cannot be waited for is simply
//     read or written, as it never blocks for long;
//   - the rest, and a terminal or pipe that belongs to another user, is asked
//     whether it is ready before a blocking read, or a small blocking write.
//
// Other Unix systems open nothing again. Windows has blocking calls only, and
// there Cancel takes effect after the call that is in progress.
//
// # Cancellation
//
// Cancel is final. After it has returned nothing is read from or written to
// the descriptor, so that the next key belongs to whoever reads next. A Read
// that had its bytes already returns them: what was taken from the descriptor
// always reaches a caller. The exception is the last kind above: when another
// process takes the bytes between our question and our read, that read waits
// for the next ones, and Cancel with it.
package stdio
