package mux

import (
	"bytes"
	"testing"
)

// FuzzDecode feeds bodies to every decoder: none may panic, hold more memory
// than it was given, or accept what it would not write again.
func FuzzDecode(f *testing.F) {
	for _, tt := range goldenRequests {
		f.Add(unhex(f, tt.bytes)[4:])
	}
	f.Add(unhex(f, goldenHelloInfo)[4:])
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = decodeHello(body)
		d := &decoder{b: body}
		kind, id := d.uint32(), d.uint32()
		rest := d.b
		if r, err := decodeSession(&decoder{b: rest}); err == nil {
			if size := len(r.Term) + len(r.Command); size > len(body) || len(r.Env) > maxEnv {
				t.Errorf("%d bytes from %d", size, len(body))
			}
			again, err := decodeSession(&decoder{b: r.encode(id)[12:]})
			if err != nil || !bytes.Equal(again.encode(id), r.encode(id)) {
				t.Errorf("%+v is not read back: %v", r, err)
			}
		}
		if r, err := decodeStdioForward(&decoder{b: rest}); err == nil {
			again, err := decodeStdioForward(&decoder{b: r.encode(id)[12:]})
			if err != nil || *again != *r {
				t.Errorf("%+v is not read back: %+v, %v", r, again, err)
			}
		}
		if fw, err := decodeForward(&decoder{b: rest}); err == nil {
			again, err := decodeForward(&decoder{b: fw.encode(kind, id)[12:]})
			if err != nil || again != fw {
				t.Errorf("%+v is not read back: %+v, %v", fw, again, err)
			}
		}
	})
}

// FuzzServe feeds a stream to a whole server.
func FuzzServe(f *testing.F) {
	for _, tt := range goldenRequests {
		f.Add(unhex(f, goldenClientHello+" "+tt.bytes))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		conn, wait := serve(t, &shellHandler{}, quick)
		go func() {
			_, _ = conn.Write(stream)
			_ = conn.CloseWrite()
		}()
		_, _ = conn.Read(make([]byte, 1))
		_ = wait()
	})
}

// FuzzProxy feeds a stream to a proxy client's server.
func FuzzProxy(f *testing.F) {
	for _, s := range proxySeeds {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		conn, wait := serveTestProxy(t)
		go func() {
			_, _ = conn.Write(stream)
			_ = conn.CloseWrite()
		}()
		buf := make([]byte, 1000)
		for {
			if _, err := conn.Read(buf); err != nil {
				break
			}
		}
		_ = wait()
	})
}
