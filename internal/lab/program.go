//go:build unix

package lab

import (
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

const (
	// drainTime is how long output left in a pty is waited for when the program
	// has ended but something else still holds the terminal.
	drainTime = 200 * time.Millisecond
	// killAfter is how long a program may take to end after SIGHUP.
	killAfter = time.Second
)

// ptyRequest is the payload of pty-req, RFC 4254 §6.2. The modes are not
// applied: the kernel's defaults are what a shell expects.
type ptyRequest struct {
	Term                      string
	Cols, Rows, Width, Height uint32
	Modes                     string
}

// windowSize is the payload of window-change, in characters and pixels.
type windowSize struct {
	Cols, Rows, Width, Height uint32
}

// program is a process that runs for a session, leading a process group.
type program struct {
	cmd    *exec.Cmd
	ch     ssh.Channel
	stdin  *os.File
	stdout *os.File
	stderr *os.File // nil on a pty
	pty    *os.File // nil without one; then stdin and stdout are the same file

	ended   sync.WaitGroup
	hasDied chan struct{}
}

func startOnPipes(cmd *exec.Cmd, ch ssh.Channel) (_ *program, err error) {
	var theirs, ours [3]*os.File
	defer func() { closeAll(theirs[:]) }()
	for i := range theirs {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(ours[:])
			return nil, err
		}
		theirs[i], ours[i] = r, w
		if i > 0 {
			theirs[i], ours[i] = w, r
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		closeAll(ours[:])
		return nil, err
	}
	return &program{
		cmd: cmd, ch: ch, stdin: ours[0], stdout: ours[1], stderr: ours[2],
		hasDied: make(chan struct{}),
	}, nil
}

func startOnPty(cmd *exec.Cmd, ch ssh.Channel, t *ptyRequest) (*program, error) {
	master, tty, err := openPty()
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	cmd.Env = append(cmd.Env, "TERM="+t.Term, "SSH_TTY="+tty.Name())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = setSize(master, windowSize{t.Cols, t.Rows, t.Width, t.Height})
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		master.Close()
		return nil, err
	}
	return &program{
		cmd: cmd, ch: ch, stdin: master, stdout: master, pty: master,
		hasDied: make(chan struct{}),
	}, nil
}

// openPty opens a pty whose master can be closed, and given a deadline, while
// it is read from. pty.Open's cannot: it has been made blocking.
func openPty() (master, tty *os.File, err error) {
	blocking, tty, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	defer blocking.Close()
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		tty.Close()
		return nil, nil, err
	}
	return os.NewFile(uintptr(fd), blocking.Name()), tty, nil
}

func setSize(master *os.File, s windowSize) error {
	raw, err := master.SyscallConn()
	if err != nil {
		return err
	}
	ws := &unix.Winsize{Row: uint16(s.Rows), Col: uint16(s.Cols), Xpixel: uint16(s.Width), Ypixel: uint16(s.Height)}
	var ioctlErr error
	if err := raw.Control(func(fd uintptr) {
		ioctlErr = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, ws)
	}); err != nil {
		return err
	}
	return ioctlErr
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close() // nil is fine
	}
}

// serve connects the program with its channel, in the background.
func (p *program) serve() {
	p.ended.Go(p.feed)
	p.ended.Go(p.run)
}

// feed copies the client's input until the client ends it. A pty stays open
// then: closing it would hang up.
func (p *program) feed() {
	io.Copy(p.stdin, p.ch)
	if p.pty == nil {
		p.stdin.Close()
	}
}

// run copies the output, waits for the program and reports how it ended.
func (p *program) run() {
	var output sync.WaitGroup
	output.Go(func() { copyOut(p.ch, p.stdout) })
	if p.stderr != nil {
		output.Go(func() { copyOut(p.ch.Stderr(), p.stderr) })
	}
	err := p.cmd.Wait()
	close(p.hasDied)
	if p.pty != nil {
		p.pty.SetReadDeadline(time.Now().Add(drainTime))
	}
	output.Wait()
	p.ch.CloseWrite()
	sendExit(p.ch, err)
	p.ch.Close()
}

// copyOut copies from r and closes it, so that a program whose output nobody
// takes any more gets SIGPIPE, as under sshd.
func copyOut(w io.Writer, r *os.File) {
	io.Copy(w, r)
	r.Close()
}

// kill sends a signal to the program's process group. The group's number stays
// taken for as long as a process is in it, so the signal meets no stranger.
func (p *program) kill(sig syscall.Signal) error {
	return unix.Kill(-p.cmd.Process.Pid, sig)
}

// hangUp ends the program, now that its channel is closed, and waits for it.
func (p *program) hangUp() {
	p.kill(unix.SIGHUP)
	late := time.AfterFunc(killAfter, func() { p.kill(unix.SIGKILL) })
	<-p.hasDied
	late.Stop()
	closeAll([]*os.File{p.stdin, p.stdout, p.stderr})
	p.ended.Wait()
}
