package cli

import (
	"errors"
	"os"
	"syscall"
)

var errNoPassing = errors.New("--fdpass: this system passes no descriptors")

func wantSocket(*os.File) error             { return errNoPassing }
func passConn(*os.File, syscall.Conn) error { return errNoPassing }
