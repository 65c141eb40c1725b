package hop

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

// proxyGrace is how long a ProxyCommand may take to end after its input is
// closed before it is killed.
const proxyGrace = time.Second

// lastWords is how long its standard error is read when it has ended.
const lastWords = 100 * time.Millisecond

// startProxyCommand runs command under the user's shell and gives its
// standard input and output as a connection; its standard error goes to tell,
// line by line. Closing the connection ends the command.
func startProxyCommand(command string, from Origin, tell func(line string)) (net.Conn, error) {
	cmd := exec.Command(shell(from.Env), "-c", "exec "+command)
	cmd.Env, cmd.Dir = from.Env, from.Dir
	inR, inW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		inR.Close()
		inW.Close()
		return nil, err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		closeAll(inR, inW, outR, outW)
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, errW
	ownGroup(cmd)
	err = cmd.Start()
	closeAll(inR, outW, errW)
	if err != nil {
		closeAll(inW, outR, errR)
		return nil, err
	}
	p := &proxyConn{in: inW, out: outR, stderr: errR, cmd: cmd, ended: make(chan struct{})}
	p.wg.Add(1)
	go func() { defer p.wg.Done(); tellLines(errR, tell) }()
	go p.wait()
	return p, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// shell is the user's, as ssh(1) uses it for commands of the configuration.
func shell(env []string) string {
	for _, e := range env {
		if len(e) > 6 && e[:6] == "SHELL=" {
			return e[6:]
		}
	}
	return "/bin/sh"
}

func tellLines(r io.Reader, tell func(string)) {
	lines := bufio.NewReaderSize(r, 4096)
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		tell(string(line))
	}
}

// proxyConn is a running ProxyCommand as a net.Conn.
type proxyConn struct {
	in, out, stderr *os.File
	cmd             *exec.Cmd
	wg              sync.WaitGroup
	once            sync.Once
	ended           chan struct{} // closed when the command has been reaped
	exit            error         // why it ended; read after ended
}

func (p *proxyConn) wait() {
	p.exit = p.cmd.Wait()
	close(p.ended)
}

func (p *proxyConn) Read(b []byte) (int, error) {
	n, err := p.out.Read(b)
	if err == io.EOF {
		select {
		case <-p.ended:
			if p.exit != nil {
				return n, fmt.Errorf("ProxyCommand ended: %w", p.exit)
			}
		case <-time.After(proxyGrace): // it closed its output and runs on
		}
	}
	return n, err
}

func (p *proxyConn) Write(b []byte) (int, error) { return p.in.Write(b) }

// Close ends the command: end of input and SIGHUP first, SIGKILL after a
// grace. It returns when the command is gone.
func (p *proxyConn) Close() error {
	p.once.Do(func() {
		closeAll(p.in, p.out)
		hangUp(p.cmd)
		select {
		case <-p.ended:
		case <-time.After(proxyGrace):
			killGroup(p.cmd)
			<-p.ended
		}
		// What it said last may still be in the pipe, which a process of its
		// own may hold open.
		_ = p.stderr.SetReadDeadline(time.Now().Add(lastWords))
		p.wg.Wait()
		p.stderr.Close()
	})
	return nil
}

type commandAddr struct{}

func (commandAddr) Network() string { return "proxycommand" }
func (commandAddr) String() string  { return "ProxyCommand" }

func (p *proxyConn) LocalAddr() net.Addr  { return commandAddr{} }
func (p *proxyConn) RemoteAddr() net.Addr { return commandAddr{} }

func (p *proxyConn) SetDeadline(t time.Time) error {
	return errors.Join(p.in.SetDeadline(t), p.out.SetDeadline(t))
}
func (p *proxyConn) SetReadDeadline(t time.Time) error  { return p.out.SetReadDeadline(t) }
func (p *proxyConn) SetWriteDeadline(t time.Time) error { return p.in.SetWriteDeadline(t) }
