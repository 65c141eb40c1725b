package sshconfig

import (
	"math"
	"strconv"
	"strings"
)

// isSpace is C's isspace.
func isSpace(c byte) bool {
	return c == ' ' || ('\t' <= c && c <= '\r')
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// leadingInt reads an integer as strtol does in base 10: spaces, a sign,
// digits. ok is false when there is no digit or it does not fit 64 bits.
func leadingInt(s string) (n int64, rest string, ok bool) {
	i := 0
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	start := i
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	digits := i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	if i == digits {
		return 0, s, false
	}
	n, err := strconv.ParseInt(s[start:i], 10, 64)
	return n, s[i:], err == nil
}

// atoi reads an integer from 0 to 2^31-1; msg says what is wrong. misc.c: atoi_err.
func atoi(s string) (n int64, msg string) {
	if s == "" {
		return 0, "missing"
	}
	return boundedInt(s, math.MaxInt32)
}

// boundedInt is strtonum from 0 to limit.
func boundedInt(s string, limit int64) (n int64, msg string) {
	n, rest, ok := leadingInt(s)
	switch {
	case rest != "" || (!ok && rest == s):
		return 0, "invalid"
	case !ok && strings.Contains(s, "-"):
		return 0, "too small"
	case !ok:
		return 0, "too large"
	case n < 0:
		return 0, "too small"
	case n > limit:
		return 0, "too large"
	}
	return n, ""
}

// parseTime reads a TIME FORMAT of sshd_config(5) into seconds, at most
// 2^31-1. misc.c: convtime.
func parseTime(s string) (seconds int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for s != "" {
		n, rest, ok := leadingInt(s)
		if !ok || n < 0 {
			return 0, false
		}
		unit := int64(1)
		if rest != "" {
			if unit = timeUnit(rest[0]); unit == 0 {
				return 0, false
			}
			rest = rest[1:]
		}
		if n > math.MaxInt32/unit || seconds > math.MaxInt32-n*unit {
			return 0, false
		}
		seconds += n * unit
		s = rest
	}
	return seconds, true
}

// timeUnit is the seconds of a time qualifier, 0 when there is no such one.
func timeUnit(c byte) int64 {
	switch c {
	case 's', 'S':
		return 1
	case 'm', 'M':
		return 60
	case 'h', 'H':
		return 3600
	case 'd', 'D':
		return 86400
	case 'w', 'W':
		return 7 * 86400
	}
	return 0
}

// scaleOf is the factor of a size suffix, 0 when there is no such one.
func scaleOf(c byte) int64 {
	i := strings.IndexByte("BKMGTPE", c&^0x20)
	if i < 0 {
		return 0
	}
	return 1 << (10 * i)
}

// maxScaledDigits bounds the digits of a size. fmt_scaled.c: MAX_DIGITS.
const maxScaledDigits = 21

// parseScaled reads a size such as "1.5G"; msg is the system's error text.
// fmt_scaled.c: scan_scaled.
func parseScaled(s string) (n int64, msg string) {
	const invalid, tooLarge = "Invalid argument", "Numerical result out of range"
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	sign := int64(1)
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	end := 0
	for end < len(s) && (isDigit(s[end]) || s[end] == '.') {
		end++
	}
	whole, fraction, dot := strings.Cut(s[:end], ".")
	if dot && strings.Contains(fraction, ".") {
		return 0, invalid
	}
	if len(whole) >= maxScaledDigits {
		return 0, tooLarge
	}
	if whole != "" {
		var err error
		if n, err = strconv.ParseInt(whole, 10, 64); err != nil {
			return 0, tooLarge
		}
	}
	if end == len(s) {
		return n * sign, ""
	}
	scale := scaleOf(s[end])
	if scale == 0 || (end+1 < len(s) && isAlnum(s[end+1])) {
		return 0, invalid
	}
	if n > math.MaxInt64/scale {
		return 0, tooLarge
	}
	part, ok := scaledFraction(fraction, scale)
	if !ok {
		return 0, tooLarge
	}
	return (n*scale + part) * sign, ""
}

// scaledFraction is the part of scale that the digits after the point make.
func scaledFraction(digits string, scale int64) (int64, bool) {
	if len(digits) > maxScaledDigits-2 {
		digits = digits[:maxScaledDigits-2]
	}
	if digits == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, false
	}
	places := len(digits)
	for n >= math.MaxInt64/scale {
		n /= 10
		places--
	}
	n *= scale
	for range places {
		n /= 10
	}
	return n, true
}

func isAlnum(c byte) bool {
	return isDigit(c) || ('a' <= c|0x20 && c|0x20 <= 'z')
}
