package sshargs

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/sshconfig"
)

// words splits a test's command line at spaces; "~" in it stands for a space
// inside a word and "@@" for an empty word.
func words(line string) []string {
	args := strings.Fields(line)
	for i, a := range args {
		args[i] = strings.ReplaceAll(strings.ReplaceAll(a, "~", " "), "@@", "")
	}
	return args
}

// run gives what the ssh of this machine prints for a command line.
func run(t *testing.T, args []string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.Command("ssh", args...)
	cmd.Env = append(os.Environ(), "FWD=/run/a~b.sock", "SPEC=1:h:2")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// sameEffect lists command lines that are given to ssh -G as they are, and
// again with every flag replaced by the overrides that Parse made of it.
const sameEffect = `
h
user@h
a@b@h
us~er@h
user\\x@h
$user@h
-l user h
-luser h
-l u1 -l u2 h
-l u1 u2@h
u1@h -l u2
-oUser=u1 -l u2 h
-l u1 -oUser=u2 h
-oUser=u1 u2@h
-o~User~~=~~"u1" h
ssh://h
ssh://h/
ssh://h:2222
ssh://h:2222/
ssh://h.example.
ssh://user@h:22
ssh://us%40er@h
ssh://us+er@h
ssh://user;fingerprint=x@h
ssh://[h]:44
ssh://h:
ssh://under_score
-p 44 ssh://h:45
ssh://h:45 -p 44
-l u ssh://v@h
-p 22 h
-p22 h
-p 44 -p 45 h
-p 44 -p bad h
-p +44 h
-p ~44 h
-p 007 h
-p ssh h
-p http h
-oPort=44 -p 45 h
-oPort=44 -p bad h
-p 45 -oPort=44 h
h -p 45
-4 h
-6 h
-46 h
-64 h
-4 -oAddressFamily=inet6 h
-oAddressFamily=inet6 -4 h
h -6
-2 h
-A h
-a h
-Aa h
-aA h
-oForwardAgent=yes -a h
-oForwardAgent=no -A h
-oForwardAgent=/a/sock -A h
-A -oForwardAgent=/a/sock h
-C h
-C -oCompression=no h
-oCompression=no -C h
-f h cmd
-n h
-fn h cmd
-nf h cmd
-fN h
-oStdinNull=no -n h
-oForkAfterAuthentication=no -f h c
-g h
-oGatewayPorts=no -g h
-K h
-k h
-Kk h
-kK h
-oGSSAPIDelegateCredentials=yes -k h
-oGSSAPIAuthentication=no -K h
-M h
-MM h
-M -M -M h
-oControlMaster=yes -M h
-oControlMaster=auto -M h
-M -oControlMaster=no h
-S /tmp/s h
-S/tmp/s h
-S none h
-S /tmp/%r@%h h
-S /tmp/a~b h
-S /a -S /b h
-oControlPath=/a -S /b h
-S /b -oControlPath=/a h
-MS /tmp/s h
-N h
-NN h
-oSessionType=none -N h
-N -oSessionType=default h
-s h sftp
h -s sftp
-ss h sftp
-oSessionType=subsystem -s h sftp
-q h
-v h
-vv h
-vvv h
-vvvv h
-vvvvv h
-vq h
-qv h
-vqv h
-vqvv h
-vqvqv h
-v -v -v -q h
-oLogLevel=ERROR -v h
-oLogLevel=debug3 -v h
-v -oLogLevel=ERROR h
-oLogLevel=ERROR -q h
-v -q -vvvvvvvvv h
-t h
-tt h
-ttt h
-T h
-tT h
-Tt h
-Ttt h
-t -oRequestTTY=no h
-oRequestTTY=no -t h
-oRequestTTY=yes -t h
-oRequestTTY=force -t h
-oRequestTTY=auto -tt h
-oRequestTTY=yes -T h
-tN h
-Nt h
-X h
-x h
-Y h
-Xx h
-xX h
-Yx h
-xY h
-oForwardX11=no -X h
-oForwardX11Trusted=no -Y h
-X -oForwardX11Trusted=yes h
-B lo h
-Blo h
-B lo -B eth0 h
-oBindInterface=eth0 -B lo h
-b 127.0.0.1 h
-b 127.0.0.1 -oBindAddress=::1 h
-oBindAddress=::1 -b 127.0.0.1 h
-c aes128-ctr h
-c +aes128-cbc h
-c ^aes128-ctr h
-c aes128-ctr -c aes256-ctr h
-oCiphers=aes256-ctr -c aes128-ctr h
-c aes128-ctr,aes256-ctr h
-m hmac-sha2-256 h
-m hmac-sha2-256 -oMACs=hmac-sha1 h
-oMACs=hmac-sha1 -m hmac-sha2-256,hmac-sha2-512 h
-e none h
-e ^] h
-e ^@ h
-e ^] -e + h
-e % h
-e " h
-e # h
-e ~ h
-e \ h
-e = h
-oEscapeChar=none -e % h
-I /lib/p.so h
-I none h
-I /lib/a.so -I /lib/b.so h
-oPKCS11Provider=/lib/a.so -I /lib/b.so h
-i /etc/passwd h
-i/etc/passwd -i /etc/group h
-i /etc/passwd -oIdentityFile=/etc/group -i /etc/hosts h
-J a h
-J a,b h
-J user@a:44,ssh://u@b:45 h
-J [::1]:22 h
-J none h
-J a -oProxyJump=b h
-J a -oProxyCommand=b h
-J a -oProxyCommand=none h
-J u@a@b h
-L 80:h:90 h
-L80:h:90 h
-L 1:h:2 -L 3:h:4 h
-L [::1]:80:h:90 h
-L [::1]:80:[::2]:90 h
-L *:80:h:90 h
-L :80:h:90 h
-L localhost:80:h:90 h
-L 80:[h]:90 h
-L 80:h:http h
-L http:h:90 h
-L /a/b:/c/d h
-L /a/b:h:90 h
-L 80:/c/d h
-L [::1]:80:/c/d h
-L lo:80:/c/d h
-L [/a/b:c]:[/d:e] h
-L [/a/b]:h:90 h
-L /a\:b:h:90 h
-L 80:h\:x:90 h
-L 80::90 h
-L ~~80:h:90 h
-L /a~b/c:h:90 h
-L /a"b:/c'd h
-L /a#b:/c%h h
-L 80:h:90: h
-L ${SPEC} h
-L ${FWD}:h:1 h
-L 8${SPEC} h
-L /a/%h:/b/%r h
-L 80:h:90 -oLocalForward=81~h:91 -L 82:h:92 h
-L 80:h:90 -oClearAllForwardings=yes h
-R 80:h:90 h
-R 0:h:90 h
-R 80 h
-R 0 h
-R lo:80 h
-R *:80 h
-R :80 h
-R [::1]:80 h
-R [::1]:0:h:90 h
-R /a/b:h:90 h
-R /a/b:/c/d h
-R 80:/c/d h
-R /a/b h
-R lo:80:/c/d h
-D 80 h
-D80 h
-D lo:80 h
-D [::1]:80 h
-D *:80 h
-D :80 h
-D 80: h
-D /a/b:80 h
-D /a/b h
-D 80:/a/b h
-D /a/b:/c h
-D http h
-D 1 -L 2:h:3 -R 4:h:5 -D 6 h
-W a:1 h
-Wa:1 h
-W [::1]:1 h
-W a:1 -oExitOnForwardFailure=no h
-oClearAllForwardings=no -W a:1 h
-W a:1 -L 1:h:2 h
-W a:1 -N h
-W a:1 -t h
-tW a:1 h
-sW a:1 h sftp
-w 0 h
-w 0:1 h
-w any h
-w any:any h
-w ANY:3 h
-w 1:2 -w 3:4 h
-w 0 -oTunnel=ethernet h
-oTunnel=ethernet -w 0 h
-oTunnelDevice=5 -w 0 h
-o @@ h
-o #comment h
-o ~Port~44~ h
-oPort~=~44 h
-o "Port"~44 h
-o port=44 -o PORT=45 h
-oProxyCommand=nc~%h~%p h
-oProxyCommand=sh~-c~"a~b" h
-oRemoteCommand=echo~"a~~b"~#c h
-oLocalCommand=x="y" h
-oSendEnv=A~B~C* h
-oSetEnv=A=b~C="d~e" h
-oUserKnownHostsFile=/a~/b h
-oIdentityFile="/a~b" h
-o Compression~yes -4vAX -l me -p 99 h ls -la
h -v
h -v ls -v
h -- ls
-- h
-v -- h -v
h -l u
u@h -p 1 -4 ls
h -tt -v -p 44 cmd
-E /dev/null h
-F none h
-F /dev/null h
-y h
-G -G h
-nNfF none h
-nNfFnone h
-qoControlPath=none h
-4vqTxp44 h
-- h cmd
h cmd -p 99
h -- -p 99
1.2.3.4
::1
[::1]
fe80::1%eth0
h.
H
a_b
`

func TestSameEffect(t *testing.T) {
	t.Setenv("FWD", "/run/a~b.sock")
	t.Setenv("SPEC", "1:h:2")
	lines := strings.Split(strings.TrimSpace(sameEffect), "\n")
	if len(lines) < 150 {
		t.Fatalf("%d command lines, want 150 or more", len(lines))
	}
	t.Setenv("HOME", t.TempDir())
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			args := words(line)
			inv, err := Parse(args)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			empty := "-Fnone"
			if inv.ConfigFile != "" {
				empty = "-F" + inv.ConfigFile
			}
			want, stderr, status := run(t, append([]string{"-F", "none", "-G"}, args...))
			if status != 0 {
				t.Fatalf("ssh refuses it: %s", stderr)
			}
			got, stderr, status := run(t, append([]string{empty, "-G"}, asOptions(inv)...))
			if status != 0 {
				t.Fatalf("ssh refuses our overrides %v: %s", inv.Overrides, stderr)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("overrides %v (-ssh +ours):\n%s", inv.Overrides, d)
			}
		})
	}
}

// asOptions spells an invocation with -o alone.
func asOptions(inv *Invocation) []string {
	var args []string
	for _, o := range inv.Overrides {
		args = append(args, "-o", o.Keyword+"="+o.Value)
	}
	if inv.StdioForward != nil { // the defaults that follow from -W
		args = append(args, "-oExitOnForwardFailure=yes", "-oClearAllForwardings=yes")
	}
	return append(append(args, "--", inv.Host), inv.Command...)
}

// refused lists command lines that ssh and Parse refuse with the same words.
// A "!" marks those that only Parse's text differs for.
const refused = `
-F @@ h
-z h
-p
h -p
-vz h
-h
-1 h
-p 0 h
-p 65536 h
-p 2000blah h
-p -1 h
-p @@ h
-p 0x16 h
-p nosuchservice h
@h
ssh://@h
ssh://h:0
ssh://h:x
ssh://h:70000
ssh://h/path
ssh://h:22/path
ssh://
ssh://-h
ssh://a..b
ssh://[::1]:22
ssh://u%zz@h
ssh://u%00@h !
ssh://u%4@h
-v
--
-
-l -x h
-- -h
-h@h
-l u;v h
u'v@h
u"v@h
u|v@h
u(v@h
u{v}@h
u<v@h
u~-v@h
u\@h
-oUser=u;v h
a~b
a$b
a;b
a|b
a,b
a\b
a{b
-O h
-O bogus h
-O check -O exit h
-O check -W a:1 h
-W a:1 -O check h
-W a:1 -W b:2 h
-W a h
-W a:b:1 h
-W a:0 h
-W @@ h
-N -s h sftp
-s -N h
-W a:1 -s h sftp
-oSessionType=default -N h
-oSessionType=default -s h x
-oSessionType=subsystem h
-s h
-y -E /dev/null h
-w x h
-w 1:x h
-w -1 h
-w : h
-w 2147483646 h
-e @@ h
-e ab h
-e ^ab h
-e ^! h
-c -aes128-ctr h
-c @@ h
-m +hmac-sha1 h
-m -hmac-sha1 h
-m @@ h
-L @@ h
-L 80 h
-L 80:h h
-L h:80 h
-L 0:h:90 h
-L 80:h:0 h
-L 80:h:x h
-L x:h:90 h
-L 80:h:65536 h
-L 1:2:3:4:5 h
-L [::1:80:h:90 h
-L [::1]80:h:90 h
-L 80:h:90\ h
-L /a h
-L 80:::90 h
-L ::1:80:h:90 h
-e ^? h
-J ::1 h !
-L ${NO_SUCH_VARIABLE}:h:90 h !
-L ${SPEC h !
-R @@ h
-R x h
-R 80:h h
-R 80:h:0 h
-R 1:2:3:4:5 h
-D @@ h
-D x h
-D 0 h
-D 1:2:3 h
-J a -J b h !
-J @@ h !
-J a,,b h !
-J -a h !
-J a;b h !
-J a/b h !
-J @a h !
-J a:x h !
-J a:0 h !
-J u;v@a h !
-J ssh://a/b h !
-oProxyJump=a -J b h !
-oProxyCommand=a -J b h !
`

func TestRefused(t *testing.T) {
	t.Setenv("SPEC", "1:h:2")
	for _, line := range strings.Split(strings.TrimSpace(refused), "\n") {
		t.Run(line, func(t *testing.T) {
			cmdline, ownText := strings.CutSuffix(line, " !")
			args := words(cmdline)
			_, stderr, status := run(t, append([]string{"-F", "none"}, args...))
			if status != 255 {
				t.Fatalf("ssh exits %d: %s", status, stderr)
			}
			inv, err := Parse(args)
			var usage *UsageError
			if !errors.As(err, &usage) {
				t.Fatalf("Parse: %+v, %v; want a UsageError; ssh says %s", inv, err, stderr)
			}
			if ownText {
				return
			}
			first, _, _ := strings.Cut(stderr, "\n")
			first = strings.TrimRight(first, "\r")
			if strings.HasPrefix(first, "usage:") {
				first = ""
			}
			if usage.Text != first {
				t.Errorf("text %q, ssh says %q", usage.Text, first)
			}
			if shown := strings.Contains(stderr, "usage:"); usage.ShowUsage != shown {
				t.Errorf("ShowUsage %v, ssh %v", usage.ShowUsage, shown)
			}
		})
	}
}

func TestIdentityNotThere(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "key")
	inv, err := Parse([]string{"-i", missing, "h"})
	if err != nil {
		t.Fatal(err)
	}
	want := []sshconfig.Override{{Keyword: "IdentityFile", Value: missing, From: "-i"}}
	if d := cmp.Diff(want, inv.Overrides); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestResolved gives the overrides to sshconfig: together the two must be
// "ssh -G".
func TestResolved(t *testing.T) {
	t.Setenv("FWD", "/run/a~b.sock")
	t.Setenv("SPEC", "1:h:2")
	env, err := sshconfig.DefaultEnv()
	if err != nil {
		t.Fatal(err)
	}
	files, err := sshconfig.Load("none", env)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(sameEffect), "\n") {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			args := words(line)
			inv, err := Parse(args)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			resolved, err := files.Resolve(t.Context(), sshconfig.Query{
				Host: inv.Host, Overrides: inv.Overrides, Command: strings.Join(inv.Command, " "),
				StdioForward: inv.StdioForward != nil, PrintOnly: true,
			})
			if err != nil {
				t.Fatalf("Resolve: %v", err)
			}
			var got bytes.Buffer
			if err := resolved.Dump(&got); err != nil {
				t.Fatal(err)
			}
			want, _, _ := run(t, append([]string{"-F", "none", "-G"}, args...))
			if d := cmp.Diff(want, got.String()); d != "" {
				t.Errorf("overrides %v (-ssh +ours):\n%s", inv.Overrides, d)
			}
		})
	}
}
