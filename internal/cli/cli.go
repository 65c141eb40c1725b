package cli

import (
	"os"
	"path/filepath"
	"slices"

	"sallyport/internal/daemon"
	"sallyport/internal/sshargs"
)

// Exit codes. As ssh, the remote command's status is ours, and 255 is our own
// failure (ssh(1), EXIT STATUS).
const (
	exitOK      = 0
	exitFailed  = 1   // a verb's answer is no
	exitUsage   = 2   // the command line makes no sense
	exitSSH     = 255 // no session, or none that ended with a status
	exitSignals = 128 // plus the signal's number: ended before a session was there
)

// App is one run of the program.
type App struct {
	// Args are the command's, with its name first.
	Args                  []string
	Stdin, Stdout, Stderr *os.File
	Getenv                func(string) string
	Environ               []string
	Version               string
	// Dir overrides the runtime directory; "" is the user's own.
	Dir daemon.Dir

	build   Build
	out     *stdout
	voice   *voice
	answers *answerer
	ending  ending
	alone   bool // the control socket is another master's, and this command does without
}

// Main runs the program on the process's own surroundings and returns its
// exit code.
func Main(build Build) int {
	app := &App{
		Args: os.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Environ: os.Environ(), Version: build.Version, build: build,
	}
	return app.Run()
}

// Run chooses the face by the command's name and its first words: called ssh,
// or as "sally ssh", it is ssh(1); with a verb it runs that; else it goes to a
// host, over shared connections.
func (a *App) Run() int {
	args := a.Args[1:]
	a.out = &stdout{to: a.Stdout}
	a.voice = newVoice("sally", a.Stderr)
	a.answers = newAnswerer(a.passwordStore())
	if filepath.Base(a.Args[0]) == "ssh" {
		return a.ssh(faceSSH, args)
	}
	if a.wantsPicker(args) {
		return a.verbs(append(args[:len(args):len(args)], "tui", "--pick"))
	}
	if len(args) == 0 || args[0] == "-h" || args[0] == "--version" {
		return a.verbs(args)
	}
	at := sshargs.Operand(args)
	if sshargs.HasLong(args, "--help") {
		return a.help(args, at)
	}
	if at < 0 || slices.Contains(args[:at], "--") { // behind it a verb's name is a host's
		return a.ssh(faceSally, args)
	}
	verb, others := args[at], append(args[:at:at], args[at+1:]...)
	switch {
	case verb == "ssh":
		return a.ssh(faceSSH, others)
	case isCompletion(verb):
		return a.complete(verb, others)
	case a.isVerb(verb):
		return a.verbs(append([]string{verb}, others...))
	}
	return a.ssh(faceSally, args)
}

// help shows the help of the verb at a place of a command line, else our own.
func (a *App) help(args []string, at int) int {
	if at >= 0 && a.isVerb(args[at]) && !slices.Contains(args[:at], "--") {
		return a.verbs([]string{"help", args[at]})
	}
	return a.verbs([]string{"--help"})
}
