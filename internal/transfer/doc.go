// Package transfer copies files and trees of files between this machine and
// servers, or between two servers, over SFTP: many files and many pieces of a
// file at once, into temporary files that are renamed when they are whole,
// and on from where an earlier copy was cut off.
//
// It knows the SFTP protocol, file systems, and what a server must not be
// believed. It must not know how a server was reached, who the user is, or how
// anything is shown: it is given two streams for each server, and tells what
// happens as events.
package transfer
