package hop

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"math/bits"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// kexWatch reads the part of a connection that is in clear, the first key
// exchange. The library keeps to itself what an agent wants to see (the host
// key's signature, for session-bind@openssh.com) and what people want to read
// in a log. Later exchanges are encrypted: of those only the end is seen,
// since the library asks about the host key right before it sends NEWKEYS,
// and sends nothing else meanwhile.
type kexWatch struct {
	log *slog.Logger

	// state: guarded by mu
	mu        sync.Mutex
	in, out   clearStream
	ours      kexInit
	theirs    kexInit
	group     *big.Int // the prime of a group exchange
	signature []byte   // of the exchange hash, by the host key
	newKeys   bool     // the next packet we send is NEWKEYS
}

// kexInit is SSH_MSG_KEXINIT, RFC 4253 §7.1.
type kexInit struct {
	Cookie                 [16]byte `sshtype:"20"`
	KexAlgos, HostKeyAlgos []string
	CiphersCS, CiphersSC   []string
	MACsCS, MACsSC         []string
	CompCS, CompSC         []string
	LangCS, LangSC         []string
	Follows                bool
	Reserved               uint32
}

// received takes what came from the server.
func (w *kexWatch) received(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.in.add(p, w.fromServer)
}

// sent takes what went to the server.
func (w *kexWatch) sent(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out.add(p, w.toServer)
	if w.newKeys {
		w.newKeys = false
		w.log.Debug("SSH2_MSG_NEWKEYS sent")
	}
}

// agreed notes that an exchange succeeded but for our NEWKEYS.
func (w *kexWatch) agreed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.newKeys = true
}

// proof is the host key's signature of the session's identifier; nil when it
// was not seen.
func (w *kexWatch) proof() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.signature
}

func (w *kexWatch) toServer(payload []byte) {
	switch payload[0] {
	case msgKexInit:
		w.log.Debug("SSH2_MSG_KEXINIT sent")
		_ = ssh.Unmarshal(payload, &w.ours)
	case msgGexRequest:
		var m struct {
			Min, Preferred, Max uint32 `sshtype:"34"`
		}
		if ssh.Unmarshal(payload, &m) == nil {
			w.log.Debug(fmt.Sprintf("SSH2_MSG_KEX_DH_GEX_REQUEST(%d<%d<%d) sent", m.Min, m.Preferred, m.Max))
		}
	case msgGexInit:
		var m struct {
			E *big.Int `sshtype:"32"`
		}
		if w.groupExchange() && ssh.Unmarshal(payload, &m) == nil {
			w.countBits(m.E)
			w.log.Debug("SSH2_MSG_KEX_DH_GEX_INIT sent")
		}
	}
}

func (w *kexWatch) fromServer(payload []byte) {
	switch n := payload[0]; {
	case n == msgKexInit:
		w.log.Debug("SSH2_MSG_KEXINIT received")
		_ = ssh.Unmarshal(payload, &w.theirs) // the library tells what is wrong
	case n == msgGexGroup && w.groupExchange():
		var m struct {
			P, G *big.Int `sshtype:"31"`
		}
		if ssh.Unmarshal(payload, &m) == nil {
			w.group = m.P
			w.log.Debug("SSH2_MSG_KEX_DH_GEX_GROUP received")
		}
	case n == msgKexReply && !w.groupExchange(), n == msgGexReply && w.groupExchange():
		w.reply(payload)
	case n == msgNewKeys:
		w.log.Debug("SSH2_MSG_NEWKEYS received")
	}
}

// exchange is the key exchange that both sides choose, RFC 4253 §7.1: the
// first of ours that the server has.
func (w *kexWatch) exchange() string {
	for _, name := range w.ours.KexAlgos {
		if slices.Contains(w.theirs.KexAlgos, name) {
			return name
		}
	}
	return ""
}

func (w *kexWatch) groupExchange() bool {
	return strings.HasPrefix(w.exchange(), "diffie-hellman-group-exchange-")
}

// reply is the server's last message of an exchange: in all methods the host
// key, the server's share and the signature.
func (w *kexWatch) reply(payload []byte) {
	var m struct {
		HostKey, Share, Signature []byte
	}
	if ssh.Unmarshal(append([]byte(nil), payload[1:]...), &m) != nil {
		return
	}
	w.signature = m.Signature
	if w.group != nil {
		w.countBits(new(big.Int).SetBytes(m.Share))
		w.log.Debug("SSH2_MSG_KEX_DH_GEX_REPLY received")
		return
	}
	w.log.Debug("SSH2_MSG_KEX reply received", "exchange", w.exchange())
}

// countBits logs how many bits of a public value are set, and the group's size.
func (w *kexWatch) countBits(n *big.Int) {
	if w.group == nil {
		return
	}
	set := 0
	for _, word := range n.Bits() {
		set += bits.OnesCount(uint(word))
	}
	w.log.Log(context.Background(), slog.LevelDebug-1, fmt.Sprintf("bits set: %d/%d", set, w.group.BitLen()))
}
