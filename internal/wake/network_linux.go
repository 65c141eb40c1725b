package wake

import (
	"bufio"
	"context"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// watchNetwork tells when the machine's addresses or routes have changed. The
// kernel sends a message for each change, and for many that are none (an
// address whose lifetime was extended): what it says is only a reason to look.
func watchNetwork(ctx context.Context, _ Config, tell func(string)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	socket := os.NewFile(uintptr(fd), "netlink")
	defer socket.Close()
	groups := uint32(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV6_ROUTE)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	defer context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Unix(1, 0)) })()
	before := paths()
	messages := make([]byte, 64<<10)
	for ctx.Err() == nil {
		// An overrun (ENOBUFS) is a change as well.
		if _, err := socket.Read(messages); err != nil && !isOverrun(err) {
			return err
		}
		quiesce(ctx, socket, messages)
		if now := paths(); now != before && ctx.Err() == nil {
			before = now
			tell("addresses or routes have changed")
		}
	}
	return nil
}

// quiesce reads until a burst of messages is over.
func quiesce(ctx context.Context, socket *os.File, messages []byte) {
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return
	}
	_ = socket.SetReadDeadline(time.Now().Add(time.Millisecond))
	for {
		if _, err := socket.Read(messages); err != nil && !isOverrun(err) {
			break
		}
	}
	_ = socket.SetReadDeadline(time.Time{})
	if ctx.Err() != nil { // whose deadline that was, perhaps
		_ = socket.SetDeadline(time.Unix(1, 0))
	}
}

func isOverrun(err error) bool {
	e, ok := err.(*os.PathError)
	return ok && e.Err == unix.ENOBUFS
}

// paths describes the addresses and routes that connections may depend on.
func paths() string {
	var list []string
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			list = append(list, a.String())
		}
	}
	list = append(list, routes("/proc/net/route", 0, 1, 2, 7)...)      // interface, destination, gateway, mask
	list = append(list, routes("/proc/net/ipv6_route", 0, 1, 4, 9)...) // destination, length, gateway, interface
	slices.Sort(list)
	return strings.Join(list, "\n")
}

// routes reads the columns that make a route of a table in /proc.
func routes(file string, columns ...int) (list []string) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		var route []string
		for _, c := range columns {
			if c < len(fields) {
				route = append(route, fields[c])
			}
		}
		list = append(list, strings.Join(route, " "))
	}
	return list
}
