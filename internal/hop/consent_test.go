package hop

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/route"
	"sallyport/internal/sshtest"
)

// terminal is a person who answers when the test does.
type terminal struct {
	person
	asked   chan Question
	answers chan string
}

func newTerminal() *terminal {
	return &terminal{asked: make(chan Question, 1), answers: make(chan string)}
}

func (p *terminal) Ask(ctx context.Context, q Question) (string, error) {
	p.asked <- q
	select {
	case text := <-p.answers:
		return text, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// stranger is one dial of several to a host that nobody knows yet.
type stranger struct {
	*terminal
	leave context.CancelFunc
	end   chan error
}

// strangers dial at once, with names of their own for the one host. Each but
// the first waits for the one before.
func strangers(t *testing.T, h route.Hop, consents *Consents, names ...string) []*stranger {
	t.Helper()
	var all []*stranger
	for i, name := range names {
		ctx, cancel := context.WithCancel(t.Context())
		s := &stranger{newTerminal(), cancel, make(chan error, 1)}
		h.Name = name
		go func() {
			conn, err := Dial(ctx, Config{Hop: h, Asker: s, Consents: consents})
			if conn != nil {
				conn.Close()
			}
			s.end <- err
		}()
		all = append(all, s)
		t.Cleanup(cancel)
		if i > 0 {
			await(t, name+" waits", func() bool { return strings.Contains(s.heard(NoticeInfo), name+": waiting for another command") })
			continue
		}
		<-s.asked
	}
	return all
}

func TestOneQuestionAboutOneHostKey(t *testing.T) {
	sshtest.LeakCheck(t)
	s := newServer(t, nil)
	h := testHop(t, s.addr)
	h.Options.HostKey.StrictHostKeyChecking = "ask"
	h.Options.Connect.Timeout = 3 * time.Second
	consents := &Consents{}

	refused := strangers(t, h, consents, "a", "b", "c")
	refused[0].answers <- "no"
	for i, r := range refused {
		want := []string{"its key was not accepted"}
		if i > 0 {
			want = append(want, "where another command asked the same")
		}
		wantStage(t, <-r.end, StageHostKey, want...)
		if len(r.asked) > 0 {
			t.Errorf("dial %d asked too", i)
		}
	}

	// The refusal is not remembered. Who goes leaves the question to the next
	// one, and thinking takes longer than connecting may.
	anew := strangers(t, h, consents, "a", "b", "c")
	anew[0].leave()
	<-anew[0].end
	var q Question
	next, last := anew[1], anew[2]
	select {
	case q = <-next.asked:
	case q = <-last.asked:
		next, last = last, next
	}
	if !strings.Contains(q.Intro, "can't be established") {
		t.Errorf("asked %q", q.Intro)
	}
	time.Sleep(h.Options.Connect.Timeout * 3 / 2) // it is what must not count
	next.answers <- "perhaps"
	<-next.asked
	next.answers <- "yes"
	for _, r := range []*stranger{next, last} {
		if err := <-r.end; err != nil {
			t.Errorf("after yes: %v", err)
		}
	}
	if len(last.asked) > 0 {
		t.Error("the last one asked too")
	}
	known, err := os.ReadFile(h.Options.HostKey.UserFiles[0])
	if n := strings.Count(string(known), "\n"); err != nil || n != 1 {
		t.Errorf("%d lines in known_hosts, %v", n, err)
	}
}

// A question is not asked any more when its answer was filed after the key was
// looked up; when another key was, the one that is shown is refused.
func TestAnsweredSinceItWasLookedUp(t *testing.T) {
	for _, test := range []struct {
		seed byte
		text string
	}{{'h', ""}, {'x', errOtherKey.Error()}} {
		s := newServer(t, nil)
		h := testHop(t, s.addr)
		h.Options.HostKey.StrictHostKeyChecking = "ask"
		key, consents, ask := newSigner(t, 'h').PublicKey(), &Consents{}, answers("yes")
		host := lookupHost(h, s.addr)
		c := &keyChecker{ctx: t.Context(), hop: h, store: newStore(h.Options.HostKey, nil), host: host, ask: ask, consents: consents}
		verdict, err := c.store.Check(c.ctx, host, key)
		if err != nil || verdict.Record == nil {
			t.Fatalf("%+v, %v", verdict, err)
		}
		s.know(t, h, newSigner(t, test.seed).PublicKey())
		err = c.meet(key, verdict, &HostKeyError{})
		if len(ask.asked) > 0 || (err == nil) != (test.text == "") || err != nil && !strings.Contains(err.Error(), test.text) {
			t.Errorf("key %c: asked %v, %v", test.seed, ask.asked, err)
		}
	}
}

// Other keys of a name, and other files, are other questions.
func TestDifferentQuestions(t *testing.T) {
	var c Consents
	var asking sync.WaitGroup
	defer asking.Wait()
	together := make(chan struct{}, 3)
	open := make(chan struct{})
	defer close(open)
	for _, id := range []claim{{"a", "1", "f"}, {"a", "2", "f"}, {"a", "1", "g"}} {
		asking.Go(func() {
			c.ask(t.Context(), id, func() error {
				together <- struct{}{}
				<-open
				return nil
			}, nil)
		})
	}
	for range 3 {
		<-together
	}
}
