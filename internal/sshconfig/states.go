package sshconfig

import (
	"strings"
)

// state is one word that a keyword of kindFlag may be set to. The first word of
// a value is the one that "ssh -G" prints, where it prints words of this table.
type state struct {
	word  string
	value int64
}

// Values of the words below, where code needs them by name.
const (
	no, yes, ask, confirm = 0, 1, 2, 3

	strictNo, strictNew, strictYes, strictAsk = 0, 1, 2, 3

	masterNo, masterYes, masterAuto, masterAsk, masterAutoAsk = 0, 1, 2, 3, 4

	ttyAuto, ttyNo, ttyYes, ttyForce = 0, 1, 2, 3

	sessionNone, sessionSubsystem, sessionDefault = 0, 1, 2

	canonicalizeNo, canonicalizeYes, canonicalizeAlways = 0, 1, 2

	familyAny, familyInet, familyInet6 = 0, 1, 2

	pubkeyNo, pubkeyUnbound, pubkeyHostBound, pubkeyAll = 0, 1, 2, 3

	tunnelNo, tunnelPointToPoint, tunnelEthernet = 0, 1, 2
)

// flagStates are the words of plain flags; yesNo is how "ssh -G" prints them.
var (
	flagStates = []state{{"true", yes}, {"false", no}, {"yes", yes}, {"no", no}}
	yesNo      = []state{{"yes", yes}, {"no", no}}
	askStates  = []state{{"true", yes}, {"false", no}, {"yes", yes}, {"no", no}, {"ask", ask}}
	keyStates  = []state{{"true", yes}, {"false", no}, {"yes", yes}, {"no", no}, {"ask", ask}, {"confirm", confirm}}
)

// statesOf holds the words of flags that are not plain. readconf.c: multistate_*.
var statesOf = map[keyword][]state{
	kwVerifyHostKeyDNS: askStates,
	kwUpdateHostKeys:   askStates,
	kwCompression:      yesNo,
	kwWarnWeakCrypto: {
		{"true", yes}, {"false", no}, {"yes", yes}, {"no", no}, {"no-pq-kex", no},
	},
	kwStrictHostKeyChecking: {
		{"true", strictYes}, {"false", strictNo}, {"yes", strictYes}, {"no", strictNo},
		{"ask", strictAsk}, {"off", strictNo}, {"accept-new", strictNew},
	},
	kwAddressFamily: {{"inet", familyInet}, {"inet6", familyInet6}, {"any", familyAny}},
	kwControlMaster: {
		{"true", masterYes}, {"yes", masterYes}, {"false", masterNo}, {"no", masterNo},
		{"auto", masterAuto}, {"ask", masterAsk}, {"autoask", masterAutoAsk},
	},
	kwTunnel: {
		{"ethernet", tunnelEthernet}, {"point-to-point", tunnelPointToPoint},
		{"true", tunnelPointToPoint}, {"yes", tunnelPointToPoint},
		{"false", tunnelNo}, {"no", tunnelNo},
	},
	kwRequestTTY: {
		{"true", ttyYes}, {"yes", ttyYes}, {"false", ttyNo}, {"no", ttyNo},
		{"force", ttyForce}, {"auto", ttyAuto},
	},
	kwSessionType: {{"none", sessionNone}, {"subsystem", sessionSubsystem}, {"default", sessionDefault}},
	kwCanonicalizeHostname: {
		{"true", canonicalizeYes}, {"false", canonicalizeNo}, {"yes", canonicalizeYes},
		{"no", canonicalizeNo}, {"always", canonicalizeAlways},
	},
	kwPubkeyAuthentication: {
		{"true", pubkeyAll}, {"false", pubkeyNo}, {"yes", pubkeyAll}, {"no", pubkeyNo},
		{"unbound", pubkeyUnbound}, {"host-bound", pubkeyHostBound},
	},
}

// states returns the words of a flag.
func states(kw keyword) []state {
	if s, ok := statesOf[kw]; ok {
		return s
	}
	return flagStates
}

// stateValue finds a word whatever its case.
func stateValue(states []state, word string) (int64, bool) {
	for _, s := range states {
		if strings.EqualFold(s.word, word) {
			return s.value, true
		}
	}
	return 0, false
}

// stateWord is the first word of a value.
func stateWord(states []state, value int64) string {
	for _, s := range states {
		if s.value == value {
			return s.word
		}
	}
	return "UNKNOWN"
}
