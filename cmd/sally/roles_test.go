package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"sallyport/internal/api"
	"sallyport/internal/sshtest"
)

// roleVariable makes a copy of the test binary play a part, mostly as another
// user: "connect", "listen" or "old", with the socket's path as the argument, or
// "pass" with an address.
const roleVariable = "SALLY_E2E_ROLE"

func play(role string) int {
	path := os.Args[len(os.Args)-1]
	switch role {
	case "connect":
		return playConnect(path)
	case "listen":
		return playListen(path)
	case "old":
		return playOld(path)
	case "pass":
		return playPass(path)
	}
	return 2
}

// playConnect asks the daemon at path for its status and prints what comes.
func playConnect(path string) int {
	conn, err := net.Dial("unix", path)
	if err != nil {
		fmt.Println("not connected:", errors.Unwrap(err))
		return 1
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	result, err := api.Do(ctx, conn.(*net.UnixConn), &api.Request{Op: api.OpStatus}, nil)
	var answer []byte
	switch {
	case err == nil:
		answer, err = json.Marshal(result)
	case errors.Is(err, api.ErrDaemonGone), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		err = nil // it ended without a word
	}
	if err != nil {
		fmt.Println("no end:", err)
	}
	fmt.Printf("connected: %q\n", answer)
	return 0
}

// playListen prepares a runtime directory and tells of each connection.
func playListen(path string) int {
	err := os.Mkdir(filepath.Dir(path), 0o755)
	l, errListen := net.Listen("unix", path)
	if err = errors.Join(err, errListen, os.Chmod(path, 0o777)); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	for {
		conn, err := l.Accept()
		if err != nil {
			return 1
		}
		fmt.Println("caught one")
		conn.Close()
	}
}

// playOld is a daemon of another version, until it is told to end by a signal.
func playOld(path string) int {
	err := os.Mkdir(filepath.Dir(path), 0o700)
	l, errListen := net.Listen("unix", path)
	if err = errors.Join(err, errListen); err != nil {
		fmt.Println(err)
		return 1
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		l.Close()
	}()
	fmt.Println("ready")
	for {
		conn, err := l.Accept()
		if err != nil {
			fmt.Println("ended")
			return 0
		}
		refusal := `{"error":{"code":"version","message":"another version"}}`
		conn.Write(append([]byte{0, 0, 0, byte(len(refusal))}, refusal...))
		conn.Close()
	}
}

// playPass connects to the address and gives the connection to whoever reads
// standard output, a socket (ssh_config(5), ProxyUseFdpass).
func playPass(addr string) int {
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		var file *os.File
		if file, err = conn.(*net.TCPConn).File(); err == nil {
			err = syscall.Sendmsg(1, []byte{0}, syscall.UnixRights(int(file.Fd())), nil, 0)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// actor is a command that plays a role with a path as somebody else, or as
// ourselves when account is nil.
func actor(t testing.TB, account *sshtest.Account, role, path string) *exec.Cmd {
	t.Helper()
	copied, err := actorProgram()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied, path)
	if account != nil {
		cmd = account.Command(t, copied, path)
	}
	cmd.Env = append(cmd.Env, roleVariable+"="+role)
	return cmd
}

// actorProgram is a copy of this program that other accounts can start. Another
// process makes it: of a file that we had open ourselves, what other tests start
// meanwhile would keep it from being started.
var actorProgram = sync.OnceValues(func() (string, error) {
	copied := filepath.Join(filepath.Dir(program), "actor")
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if out, err := exec.Command("cp", self, copied).CombinedOutput(); err != nil {
		return "", fmt.Errorf("cp: %w: %s", err, out)
	}
	return copied, nil
})
