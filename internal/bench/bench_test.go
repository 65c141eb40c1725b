package bench

import (
	"strings"
	"testing"
)

func TestVerdicts(t *testing.T) {
	one := func(v float64) Samples { return Samples{Values: []float64{v}} }
	r := &Report{Figures: []Figure{
		{Name: "reached", Peer: one(10), Sally: one(5), Goal: atMost(0.6)},
		{Name: "short", Peer: one(10), Sally: one(8), Goal: atMost(0.6)},
		{Name: "worse", Peer: one(10), Sally: one(12), Goal: atMost(0.6)},
		{Name: "rate", Peer: one(100), Sally: one(130), Goal: atLeast(1.2), More: true},
		{Name: "slow", Peer: one(100), Sally: one(90), Goal: atLeast(1.2), More: true},
		{Name: "even", Peer: one(100), Sally: one(110), Goal: atLeast(1.2), More: true},
		{Name: "one", Peer: one(200), Sally: one(1), Goal: &Goal{Bound: 1, Value: true}},
		{Name: "busy", Peer: one(20), Sally: one(16), Goal: &Goal{Bound: 3, Of: "reached"}},
		{Name: "noise", Peer: one(1000), Sally: one(997), Goal: atLeast(1), More: true},
		{Name: "nothing", Peer: one(2), Sally: one(1)},
		{Name: "alone", Peer: one(0), Sally: one(1), Goal: &Goal{Bound: 2, Value: true}},
	}}
	r.finish()
	want := map[string]Verdict{
		"reached": Reached, "short": NotReached, "worse": Worse, "rate": Reached, "slow": Worse, "even": NotReached,
		"one": Reached, "noise": Reached, "busy": NotReached, "nothing": Better, "alone": Reached,
	}
	for _, f := range r.Figures {
		if f.Verdict != want[f.Name] {
			t.Errorf("%s: %q instead of %q", f.Name, f.Verdict, want[f.Name])
		}
	}
}

func TestQuantile(t *testing.T) {
	values := []float64{1, 2, 3, 4, 5}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.25: 2, 0.99: 4.96, 1: 5} {
		if got := quantile(values, q); got-want > 1e-9 || want-got > 1e-9 {
			t.Errorf("quantile %v: %v instead of %v", q, got, want)
		}
	}
}

func TestUpdateReplacesOnlyItsPart(t *testing.T) {
	r := &Report{Figures: []Figure{{Name: "x", Title: "the figure", Unit: "ms", Peer: Samples{Values: []float64{2, 3}}, Sally: Samples{Values: []float64{1}}}}}
	r.finish()
	doc := "# Head\n" + docBegin + "old\n" + docEnd + "tail\n"
	for range 2 { // what it wrote it can replace
		got, err := r.Update([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		doc = string(got)
	}
	if !strings.HasPrefix(doc, "# Head\n"+docBegin) || !strings.HasSuffix(doc, docEnd+"tail\n") || strings.Contains(doc, "old") {
		t.Errorf("the document is now %q", doc)
	}
	if strings.Count(doc, "the figure") != 1 || !strings.Contains(doc, "| 2.50 ms (2–3) | 1.00 ms | 0.40 |") {
		t.Errorf("the figure is not there as it should: %q", doc)
	}
	if _, err := r.Update([]byte("no marks")); err == nil {
		t.Error("a document without marks was accepted")
	}
}

func TestUnknownMeasure(t *testing.T) {
	if _, err := choose([]string{"warm", "speed"}); err == nil || !strings.Contains(err.Error(), `"speed"`) {
		t.Errorf("the error is %v", err)
	}
}
