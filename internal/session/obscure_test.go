package session

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// clocked runs type_ against an obscurer of 20 ms and tells what was sent, as
// "milliseconds:text", chaff as "c".
func clocked(t *testing.T, typing func(o *obscurer)) []string {
	t.Helper()
	var sent []string
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		note := func(what string) {
			sent = append(sent, fmt.Sprintf("%d:%s", time.Since(start).Milliseconds(), what))
		}
		o := newObscurer(20*time.Millisecond, func(p []byte) error { note(string(p)); return nil }, func() { note("c") })
		ended := make(chan struct{})
		go o.run(ended)
		typing(o)
		o.flush()
	})
	return sent
}

func TestKeystrokesAreOnTheClock(t *testing.T) {
	sent := clocked(t, func(o *obscurer) {
		for _, wait := range []time.Duration{0, 3, 4, 30, 1} {
			time.Sleep(wait * time.Millisecond)
			o.write([]byte("k"))
		}
		time.Sleep(10 * time.Second)
		o.write([]byte("z"))
	})
	// The first at once, then only at ticks, several at a time if need be.
	got := strings.Join(sent[:3], " ")
	if got != "0:k 20:kk 40:kk" {
		t.Fatalf("sent %v", sent[:min(len(sent), 10)])
	}
	chaff := sent[3 : len(sent)-1]
	if len(chaff) < 1024/20-1 || len(chaff) > (1024+2048)/20+1 {
		t.Errorf("%d fake keystrokes", len(chaff))
	}
	for i, c := range chaff {
		if c != fmt.Sprintf("%d:c", 60+20*i) {
			t.Fatalf("fake keystroke %d is %s", i, c)
		}
	}
	if last := sent[len(sent)-1]; !strings.HasSuffix(last, ":z") || !strings.HasPrefix(last, "1003") {
		t.Errorf("after a pause the key was sent as %s, want at once", last)
	}
}

func TestMuchAtOnceIsNotHeldBack(t *testing.T) {
	much := strings.Repeat("m", most+1)
	sent := clocked(t, func(o *obscurer) {
		o.write([]byte("a"))
		time.Sleep(time.Millisecond)
		o.write([]byte("b"))
		o.write([]byte(much))
		time.Sleep(time.Millisecond)
		o.write([]byte("c"))
		o.write([]byte("d")) // held back when the input ends
	})
	want := []string{"0:a", "1:b" + much, "2:c", "2:d"}
	if strings.Join(sent, " ") != strings.Join(want, " ") {
		t.Errorf("sent %.200q, want %.200q", sent, want)
	}
}

func TestObscurerEnds(t *testing.T) {
	broken := fmt.Errorf("gone")
	o := newObscurer(time.Millisecond, func([]byte) error { return broken }, func() {})
	go o.run(nil)
	o.write([]byte("x"))
	<-o.done
	if err := o.write([]byte("y")); err != broken {
		t.Errorf("after a failure: %v", err)
	}
	ended := make(chan struct{})
	o = newObscurer(time.Millisecond, func([]byte) error { return nil }, func() {})
	go o.run(ended)
	close(ended)
	<-o.done
	if err := o.write([]byte("y")); err == nil {
		t.Error("a write after the end succeeds")
	}
}

func TestWhoAnswersChaff(t *testing.T) {
	for version, want := range map[string]bool{
		"SSH-2.0-OpenSSH_9.5p1 Debian-2": true, "SSH-2.0-OpenSSH_10.0": true, "SSH-2.0-OpenSSH_9.2p1": false, "SSH-2.0-OpenSSH_8.9": false,
		"SSH-2.0-dropbear_2022.83": false, "SSH-2.0-OpenSSH_": false, "": false,
	} {
		if got := answersChaff([]byte(version)); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}
