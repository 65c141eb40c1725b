package sshargs

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/sshconfig"
)

// TestNotInConfig covers what "ssh -G" does not show.
func TestNotInConfig(t *testing.T) {
	for line, want := range map[string]Invocation{
		"-V":                       {Action: ActionVersion},
		"-vV -z":                   {Action: ActionVersion, Verbose: 1},
		"-Q cipher -z":             {Action: ActionQuery, Query: "cipher"},
		"-QKexAlgorithms h":        {Action: ActionQuery, Query: "KexAlgorithms"},
		"h -V":                     {Action: ActionVersion, Host: "h"},
		"h":                        {Host: "h"},
		"h ls -l a~b":              {Host: "h", Command: []string{"ls", "-l", "a b"}},
		"h -y ls -y":               {Host: "h", Syslog: true, Command: []string{"ls", "-y"}},
		"-- h -y":                  {Host: "h", Command: []string{"-y"}},
		"h -- -y":                  {Host: "h", Command: []string{"-y"}},
		"h -- -- -y":               {Host: "h", Command: []string{"--", "-y"}},
		"h - -y":                   {Host: "h", Command: []string{"-", "-y"}},
		"-y -- h -- -y":            {Host: "h", Syslog: true, Command: []string{"--", "-y"}},
		"-E -- h -y":               {Host: "h", LogFile: "--", Command: []string{"-y"}},
		"-E a -Eb h":               {Host: "h", LogFile: "b"},
		"-F a -F none h":           {Host: "h", ConfigFile: "none"},
		"-G h":                     {Action: ActionDumpConfig, Host: "h"},
		"h -G":                     {Action: ActionDumpConfig, Host: "h"},
		"h ls -G":                  {Host: "h", Command: []string{"ls", "-G"}},
		"-G -O check h":            {Action: ActionDumpConfig, Control: "check", Host: "h"},
		"-O check h":               {Action: ActionControl, Control: "check", Host: "h"},
		"-Ochannels h":             {Action: ActionControl, Control: "channels", Host: "h"},
		"h -O proxy":               {Action: ActionControl, Control: "proxy", Host: "h"},
		"-Z h":                     {Action: ActionListKeys, Host: "h"},
		"h @@":                     {Host: "h", Command: []string{""}},
		"ssh://h/":                 {Host: "h"},
		"-12 h":                    {}, // refused, see below
		"-y -F x h ls -F y h":      {Host: "h", Syslog: true, ConfigFile: "x", Command: strings.Fields("ls -F y h")},
		"-J none -- -h":            {},
		"-o #only~a~comment -2y h": {Host: "h", Syslog: true},
	} {
		got, err := Parse(words(line))
		if want.Host == "" && want.Action == ActionSession {
			if err == nil {
				t.Errorf("%s: %+v, want an error", line, got)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		got.Overrides = nil
		if len(got.Command) == 0 {
			got.Command = nil
		}
		if d := cmp.Diff(&want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", line, d)
		}
	}
}

func TestStdioForward(t *testing.T) {
	for arg, want := range map[string]sshconfig.ForwardSpec{
		"host:22":      {ConnectHost: "host", ConnectPort: 22},
		"[::1]:http":   {ConnectHost: "::1", ConnectPort: 80},
		"/run/x.sock":  {ConnectPath: "/run/x.sock"},
		"[/run/a:b]":   {ConnectPath: "/run/a:b"},
		"127.0.0.1:80": {ConnectHost: "127.0.0.1", ConnectPort: 80},
	} {
		inv, err := Parse([]string{"-W", arg, "h"})
		if err != nil {
			t.Errorf("-W %s: %v", arg, err)
			continue
		}
		if inv.Action != ActionStdioForward {
			t.Errorf("-W %s: action %d", arg, inv.Action)
		}
		if d := cmp.Diff(&want, inv.StdioForward); d != "" {
			t.Errorf("-W %s (-want +got):\n%s", arg, d)
		}
	}
	// Differs from OpenSSH, which forwards nothing and says nothing.
	for _, arg := range []string{"22", ":22", "[]:22"} {
		if _, err := Parse([]string{"-W", arg, "h"}); err == nil {
			t.Errorf("-W %s is taken", arg)
		}
	}
}

// TestOverrides shows what consumers see.
func TestOverrides(t *testing.T) {
	inv, err := Parse(words("-v -P lab -p 44 -oPort=45 -L 1:[::2]:3 -R 0 -tt u@h -vS /a~b -D x:8"))
	if err != nil {
		t.Fatal(err)
	}
	want := []sshconfig.Override{
		{Keyword: "LogLevel", Value: "DEBUG2", From: "-v"},
		{Keyword: "RequestTTY", Value: "force", From: "-t"},
		{Keyword: "ControlPath", Value: `"/a b"`, From: "-S"},
		{Keyword: "Tag", Value: "lab", From: "-P"},
		{Keyword: "Port", Value: "44", From: "-p"},
		{Keyword: "Port", Value: "45", From: "-o"},
		{Keyword: "LocalForward", Value: "1 [::2]:3", From: "-L"},
		{Keyword: "RemoteForward", Value: "0", From: "-R"},
		{Keyword: "User", Value: "u", From: "destination"},
		{Keyword: "DynamicForward", Value: "x:8", From: "-D"},
	}
	if d := cmp.Diff(want, inv.Overrides); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestEmptyLogFile is refused; ssh does so with status 1.
func TestEmptyLogFile(t *testing.T) {
	if _, err := Parse([]string{"-E", "", "h"}); err == nil {
		t.Error("taken as if it was not given")
	}
}

func TestErrorClasses(t *testing.T) {
	for line, class := range map[string]error{
		"-- -h":      ErrHost,
		"a;b":        ErrHost,
		"a\tb":       ErrHost,
		"-l -u h":    ErrUser,
		"u\x01@h":    ErrUser,
		"-l u\x7f h": ErrUser,
	} {
		if _, err := Parse(strings.Split(line, " ")); !errors.Is(err, class) {
			t.Errorf("%q: %v, want %v", line, err, class)
		}
	}
}

func TestUsage(t *testing.T) {
	var out bytes.Buffer
	if err := Usage(&out, "sally ssh"); err != nil {
		t.Fatal(err)
	}
	for _, f := range flags {
		shown := strings.Contains(out.String(), "[-"+string(f.letter)+" "+f.arg+"]")
		if f.arg != "" && !shown {
			t.Errorf("-%c is not in the usage", f.letter)
		}
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 80 {
			t.Errorf("line of %d columns: %q", len(line), line)
		}
	}
	if !strings.HasPrefix(out.String(), "usage: sally ssh [-46Aa") {
		t.Errorf("usage begins %.40q", out.String())
	}
}

// FuzzParse feeds words separated by NUL. What is accepted must be safe to
// hand on, and must mean the same when it is given as -o options.
func FuzzParse(f *testing.F) {
	for _, list := range []string{sameEffect, refused} {
		for line := range strings.Lines(list) {
			f.Add(strings.Join(words(line), "\x00"))
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		inv, err := Parse(strings.Split(s, "\x00"))
		if err != nil {
			var usage *UsageError
			if !errors.As(err, &usage) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if inv.Action == ActionVersion || inv.Action == ActionQuery {
			return
		}
		if !validHost(inv.Host) {
			t.Fatalf("host %q", inv.Host)
		}
		if strings.HasPrefix(strings.ToLower(inv.Host), "ssh://") {
			return // "user@ssh://host" is such a host, as in ssh; alone it would be a URI
		}
		for _, o := range inv.Overrides {
			if strings.ContainsFunc(o.Keyword, func(r rune) bool { return !unicode.IsLetter(r) }) {
				return // no keyword: sshconfig refuses it
			}
		}
		again, err := Parse(asOptions(inv))
		if err != nil {
			t.Fatalf("overrides %v: %v", inv.Overrides, err)
		}
		for i := range inv.Overrides {
			inv.Overrides[i].From = "-o"
		}
		if d := cmp.Diff(inv.Overrides, again.Overrides[:len(inv.Overrides)]); d != "" {
			t.Fatalf("-first +second:\n%s", d)
		}
	})
}

// FuzzForward checks that a specification survives being split: a file takes
// the two arguments and puts a colon between them.
func FuzzForward(f *testing.F) {
	for _, s := range []string{"1:h:2", "[::1]:1:[::2]:3", "/a:/b", `/a\:b:h:1`, "*:1:h:2", ":1:h:2", `\[x:1:y:2`, `1:a\/b:2`, "1:h:2:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		spec, value, ok := parseForward(s, false, false)
		if !ok || strings.ContainsAny(s, "$\x00") {
			return
		}
		listen, target := firstArgument(value)
		again, _, ok := parseForward(listen+":"+unquote(target), false, false)
		if !ok || again != spec {
			t.Fatalf("%q is %+v, as %s it is %+v, %v", s, spec, value, again, ok)
		}
	})
}

// firstArgument splits a value of two arguments.
func firstArgument(value string) (first, rest string) {
	first = unquote(value)
	quoted := sshconfig.Quote(first)
	return first, strings.TrimPrefix(strings.TrimPrefix(value, quoted), " ")
}
