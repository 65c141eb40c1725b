// Package race tries several ways to one end: in order, each with a head start
// on the next (RFC 8305 §5), and one at a time from the moment on where a way
// would authenticate or ask somebody something. It knows the order, the head
// starts, the turns and which failures end it all. It must not know what a way
// is, nor do any I/O.
package race
