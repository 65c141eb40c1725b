// Package bench measures the program beside a stock ssh: the same sshd chain
// on loopback, the same commands, run in turns, in one report. It knows how to
// start servers and programs and how to read what they cost; it must not know
// how either client works, and uses them only as a user could.
package bench
