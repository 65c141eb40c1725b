package sshargs

import (
	"strings"
	"testing"
)

func TestOperand(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]int{
		"": -1, "host": 0, "up web1": 0, "-v up": 1, "-vv -F file up web1": 3, "-Ffile up": 1, "-vF file up": 2,
		"-o X=y up web1": 2, "-oX=y up": 1, "-o up": -1, "-i up -p 22 -l up host": 6, "-- up": 1, "-v -- up": 2,
		"--no-daemon -v up": 2, "--": -1, "-": 0, "-v": -1, "-! up": -1, "-o": -1, "-l -- host": 2,
	} {
		if got := Operand(strings.Fields(line)); got != want {
			t.Errorf("%q: %d, want %d", line, got, want)
		}
	}
}

func TestHasLong(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"": false, "--help": true, "-v --help": true, "-F file --help": true, "-Ffile --help up": true, "--no-daemon --help": true, "-vl me --help host": true,
		"-l --help": false, "-vF --help host": false, "--resume --help": false, "host --help": false, "-- --help": false, "-v": false, "-! --help": false,
		"--helpless": false, "-v-help": false,
	} {
		if got := HasLong(strings.Fields(line), "--help"); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}
