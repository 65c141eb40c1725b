package hop

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
)

// hostKeyUpdate is UpdateHostKeys for one connection: the server tells, once
// the user is logged in, which host keys it has, proves that it owns those
// that we do not know, and they take the place of the ones it has no more.
// clientloop.c: client_input_hostkeys.
type hostKeyUpdate struct {
	keys       *keyChecker
	mode       string   // UpdateHostKeys
	algorithms []string // HostKeyAlgorithms
	sessionID  []byte
	agreed     string // the host key algorithm of the key exchange
}

// requester is the part of a connection that an update needs.
type requester interface {
	SendRequest(name string, wantReply bool, payload []byte) (bool, []byte, error)
}

// wanted reports whether the host's keys may be updated at all.
func (u *hostKeyUpdate) wanted() bool {
	return u.mode != "no" && u.keys.trusted && u.keys.unsafe == nil
}

// handle acts on an offer of keys. What goes wrong is told and harms nothing.
func (u *hostKeyUpdate) handle(ctx context.Context, conn requester, offer []byte) {
	if !u.wanted() {
		u.keys.log.Debug("not updating host keys", "mode", u.mode, "trusted", u.keys.trusted)
		return
	}
	if err := u.update(ctx, conn, offer); err != nil {
		u.keys.tell(NoticeWarning, "%s: host keys were not updated: %v", u.keys.hop.Name, err)
	}
}

func (u *hostKeyUpdate) update(ctx context.Context, conn requester, offer []byte) error {
	k := u.keys
	offered, err := hostkey.ParseOffer(offer)
	if err != nil {
		return err
	}
	plan, err := k.store.PlanUpdate(k.host, offered, u.algorithms)
	if err != nil {
		return err
	}
	if plan.Skip != "" || len(plan.New)+len(plan.Deprecated) == 0 {
		k.log.Debug("no host keys to update", "offered", len(offered), "err", plan.Skip)
		return nil
	}
	keep, err := u.proven(conn, plan)
	if err != nil || len(keep) == 0 {
		return err
	}
	if u.mode == "ask" {
		if err := u.confirm(ctx, plan); err != nil {
			k.log.Debug("host keys are not updated", "err", err)
			return nil
		}
	}
	if err := k.store.Update(k.host, keep); err != nil {
		return err
	}
	k.log.Info("updated host keys", "new", len(plan.New), "removed", len(plan.Deprecated))
	return nil
}

// proven is the keys to keep: those known, and those of the new ones that the
// server proves to own.
func (u *hostKeyUpdate) proven(conn requester, plan hostkey.Plan) ([]ssh.PublicKey, error) {
	if len(plan.New) == 0 {
		return plan.Keys, nil
	}
	ok, answer, err := conn.SendRequest(hostkey.RequestProve, true, hostkey.ProveRequest(plan.New))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("the server refused to prove that it owns %d new keys", len(plan.New))
	}
	proven, err := hostkey.VerifyProofs(u.sessionID, u.agreed, plan.New, answer)
	if err != nil {
		return nil, err
	}
	var keep []ssh.PublicKey
	for _, key := range plan.Keys {
		if !contains(plan.New, key) || contains(proven, key) {
			keep = append(keep, key)
		}
	}
	return keep, nil
}

func contains(keys []ssh.PublicKey, key ssh.PublicKey) bool {
	for _, k := range keys {
		if string(k.Marshal()) == string(key.Marshal()) {
			return true
		}
	}
	return false
}

// confirm asks whether the keys may be updated.
func (u *hostKeyUpdate) confirm(ctx context.Context, plan hostkey.Plan) error {
	k := u.keys
	var b strings.Builder
	fmt.Fprintf(&b, "The server %s has updated its host keys, which it proved to own.\n", k.hop)
	for _, key := range plan.New {
		fmt.Fprintf(&b, "New key: %s %s\n", hostkey.TypeName(key), hostkey.Fingerprint(key, k.hop.Options.HostKey.FingerprintHash))
	}
	for _, l := range plan.Deprecated {
		fmt.Fprintf(&b, "Key it has no more: %s %s (%s:%d)\n", l.Type, l.Fingerprint, l.File, l.Number)
	}
	checker := *k
	checker.ctx = ctx
	return checker.confirm(Question{Hop: k.hop.Name, Kind: KindConfirm, Echo: true, Intro: b.String(),
		Text: "Accept updated host keys of " + k.hop.Name + "? (yes/no): "}, "")
}
