// Package fanout does one thing on many hosts: so many at once, within bounds
// of time, with what each says kept apart. It reads lists of hosts too.
//
// It must not know what is done on a host, how one is reached, or how anything
// is shown.
package fanout
