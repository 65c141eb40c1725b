package main_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/sshtest"
)

// output runs a program that must succeed.
func output(t testing.TB, program string, args ...string) string {
	t.Helper()
	start := time.Now()
	out, err := exec.Command(sshtest.Path(t, program), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q after %v: %v\n%s", program, args, time.Since(start), err, out)
	}
	return string(out)
}

// web serves a page of some size, and what is posted gets its checksum back.
func web(t testing.TB, addr string) string {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	page := []byte(strings.Repeat("page\n", 4000))
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			sum := sha256.New()
			io.Copy(sum, r.Body)
			fmt.Fprintf(w, "%x\n", sum.Sum(nil))
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(page))) // or ab -k gets none kept
		w.Write(page)
	})}
	done := make(chan struct{})
	go func() { s.Serve(l); close(done) }()
	t.Cleanup(func() { s.Close(); <-done })
	return l.Addr().String()
}

// stockForward is the same through a stock ssh, for comparison.
func stockForward(t testing.TB, chain *sshtest.Chain, to string) string {
	t.Helper()
	addr := sshtest.RefusedPort(t)
	serve(t, chain.SSH("-N", "-L", addr+":"+to, "target"))
	dial(t, "tcp", addr).Close()
	return addr
}

func portText(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// TestRedisThroughForward is a data base and its own tools, over a TCP port
// and a Unix socket.
func TestRedisThroughForward(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "redis-server", "redis-cli", "redis-benchmark")
	chain := twoJumps(t)
	u := newUser(t, chain)
	at := sshtest.RefusedPort(t)
	host, port, _ := net.SplitHostPort(at)
	socket := filepath.Join(u.dir, "redis.sock")
	serve(t, exec.Command("redis-server", "--bind", host, "--port", port, "--unixsocket", socket, "--save", "", "--dir", u.dir, "--enable-debug-command", "local"))
	dial(t, "tcp", at).Close()
	from := listenEnds(t)
	u.pin("target", "-L", from[0].flag+":"+at, "-L", from[2].flag+":"+socket)
	_, here, _ := net.SplitHostPort(from[0].addr)
	output(t, "redis-cli", "-p", here, "set", "word", "there")
	if got := output(t, "redis-cli", "-s", from[2].addr, "get", "word"); got != "there\n" {
		t.Errorf("%q", got)
	}
	for _, way := range []struct{ name, port string }{{"straight", port}, {"through stock ssh", portText(stockForward(t, chain, at))}, {"through sally", here}} {
		t.Logf("%s:\n%s", way.name, output(t, "redis-benchmark", "--csv", "-p", way.port, "-t", "set,get,lpush", "-n", fmt.Sprint(2000*loadFactor), "-c", "50", "-d", "512"))
	}
	output(t, "redis-cli", "-p", here, "debug", "populate", "20000", "key", "500")
	if got := output(t, "redis-cli", "-s", from[2].addr, "--bigkeys"); !strings.Contains(got, "Sampled 20") {
		t.Errorf("%s", got)
	}
	for _, f := range u.forwards() {
		if f.Failed != 0 || f.LastError != "" {
			t.Errorf("%+v", f)
		}
	}
}

// TestWebThroughForward is a web server under ab.
func TestWebThroughForward(t *testing.T) {
	t.Parallel()
	chain := twoJumps(t)
	u := newUser(t, chain)
	at := web(t, "127.0.0.1:0")
	from := listenEnds(t)[0]
	u.pin("target", "-L", from.flag+":"+at)
	for _, test := range []struct {
		flags string
		n     int
	}{{"-c 50 -k", 500}, {"-c 50", 500}, {"-c 1", 50}} {
		for _, way := range []struct{ name, addr string }{{"straight", at}, {"through stock ssh", stockForward(t, chain, at)}, {"through sally", from.addr}} {
			n := fmt.Sprint(test.n * loadFactor)
			out := output(t, "ab", append(strings.Fields(test.flags), "-q", "-n", n, "http://"+way.addr+"/")...)
			if !strings.Contains(out, "Complete requests:      "+n) || !strings.Contains(out, "Failed requests:        0") {
				t.Error(out)
			}
			for line := range strings.Lines(out) {
				if strings.HasPrefix(line, "Requests per second") {
					t.Logf("%s %s: %s", test.flags, way.name, line)
				}
			}
		}
	}
	if f := u.forwards()[0]; f.Failed != 0 {
		t.Errorf("%+v", f)
	}
}

// TestCurlThroughSOCKS has a name resolved at the far end: here it is unknown.
func TestCurlThroughSOCKS(t *testing.T) {
	t.Parallel()
	sshtest.RequireRoot(t, "another /etc/hosts")
	sshtest.Require(t, "curl", "unshare", "mount")
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := net.LookupHost(name)
	if err != nil || len(addrs) == 0 {
		t.Skipf("%q has no address here: %v", name, err)
	}
	_, port, _ := net.SplitHostPort(web(t, net.JoinHostPort(addrs[0], "0")))
	u := newUser(t, twoJumps(t))
	hosts := filepath.Join(u.dir, "hosts")
	writeFile(t, hosts, "127.0.0.1 localhost\n")
	nowhere := []string{"-m", "sh", "-c", `mount --bind "$1" /etc/hosts && shift && exec "$@"`, "sh", hosts}
	own := u.cmd("forward", "add", "target", "-D", "127.0.0.1:"+strings.TrimPrefix(listenEnds(t)[0].addr, "127.0.0.1:"))
	add := exec.Command("unshare", append(nowhere, own.Args...)...) // the daemon too lives there
	add.Env = own.Env
	if r := u.run(add); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	at := u.forwards()[0].Addresses[0]
	curl := func(args ...string) result {
		all := append(append(append([]string{}, nowhere...), "curl", "-sS", "--max-time", "20"), args...)
		return u.run(exec.Command("unshare", append(all, "http://"+net.JoinHostPort(name, port)+"/")...))
	}
	if r := curl(); r.code != 6 {
		t.Skipf("the name is known here in other ways: %+v", r)
	}
	for _, flags := range [][]string{{"--proxy", "socks5h://" + at}, {"--proxy", "socks4a://" + at}} {
		if r := curl(flags...); r.code != 0 || len(r.out) != 20000 {
			t.Errorf("%q: %d, %d bytes, %s", flags, r.code, len(r.out), r.err)
		}
	}
	file := filepath.Join(u.dir, "upload")
	writeFile(t, file, strings.Repeat("upload\n", 1<<18))
	want := fmt.Sprintf("%x\n", sha256.Sum256([]byte(readFile(t, file))))
	if r := curl("--proxy", "socks5h://"+at, "--data-binary", "@"+file); r.out != want {
		t.Errorf("upload: %+v", r)
	}
	// A name that is unknown there too.
	r := u.run(exec.Command("curl", "-sS", "--max-time", "20", "--proxy", "socks5h://"+at, "http://no.such.name.invalid/"))
	if f := u.forwards()[0]; r.code != 97 || f.LastError != `open no.such.name.invalid:80: connection failed: "Name or service not known"` {
		t.Errorf("%+v, %+v", r, f)
	}
}

// TestRealDisplay: xdpyinfo at the far end of two jumps asks a real X server
// here, trusted and not.
func TestRealDisplay(t *testing.T) {
	sshtest.Require(t, "Xvfb", "xdpyinfo", "xauth")
	both(t, func(t *testing.T, c *client) {
		chain := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump1"}, sshtest.HostConfig{Name: "jump2"},
			sshtest.HostConfig{Name: "target", ExtraConfig: []string{"X11Forwarding yes", "X11UseLocalhost yes"}})
		c.use(chain)
		authority := filepath.Join(t.TempDir(), "Xauthority")
		display := realDisplay(t, authority)
		c.env = append(c.env, "DISPLAY="+display, "XAUTHORITY="+authority)
		straight := exec.Command("xdpyinfo", "-display", display)
		straight.Env = append(os.Environ(), "XAUTHORITY="+authority)
		if out, err := straight.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, flag := range []string{"-Y", "-X"} {
			r := c.run(flag, "target", "xdpyinfo")
			if r.code != 0 || !strings.Contains(r.out, "vendor string:") || !strings.Contains(r.out, "dimensions:    640x480 pixels") {
				t.Errorf("%s: %+v", flag, r)
			}
		}
		if r := c.run("target", "xdpyinfo"); r.code == 0 || !strings.Contains(r.err, "unable to open display") {
			t.Errorf("without a flag: %+v", r)
		}
	})
}

// realDisplay starts an X server without a screen to look at.
func realDisplay(t testing.TB, authority string) string {
	t.Helper()
	number, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer number.Close()
	writeFile(t, authority, "")
	cookie := strings.Repeat("5a", 16)
	server := filepath.Join(t.TempDir(), "server")
	writeFile(t, server, "")
	output(t, "xauth", "-q", "-f", server, "add", ":0", "MIT-MAGIC-COOKIE-1", cookie) // the server takes any display's
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "640x480x24", "-nolisten", "tcp", "-auth", server, "+extension", "SECURITY")
	cmd.ExtraFiles = []*os.File{write}
	serve(t, cmd)
	write.Close()
	var n int
	number.SetReadDeadline(time.Now().Add(soon))
	if _, err := fmt.Fscan(number, &n); err != nil {
		t.Fatalf("Xvfb: %v", err)
	}
	display := fmt.Sprintf(":%d", n)
	output(t, "xauth", "-q", "-f", authority, "add", display, "MIT-MAGIC-COOKIE-1", cookie)
	return display
}
