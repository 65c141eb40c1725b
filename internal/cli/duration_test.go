package cli

import (
	"testing"
	"time"
)

func TestShortDuration(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0s": "0s", "490.4µs": "490µs", "3.141592ms": "3.14ms", "250.6ms": "251ms",
		"1s": "1s", "2.54s": "2.5s", "10s": "10s", "50s": "50s", "59.94s": "59.9s", "59.96s": "1m",
		"1m": "1m", "1m0.4s": "1m", "1m10s": "1m10s", "10m": "10m", "18m50s": "18m50s", "20m1s": "20m1s", "59m59.6s": "1h",
		"1h": "1h", "1h29s": "1h", "1h10m": "1h10m", "1h5m": "1h5m", "7h58m": "7h58m", "8h": "8h", "20h30m": "20h30m", "99h59m": "99h59m",
		"100h": "4d4h", "240h": "10d", "-70s": "-1m10s",
	} {
		d, err := time.ParseDuration(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := shortDuration(d); got != want {
			t.Errorf("%s is shown as %q, want %q", in, got, want)
		}
	}
}
