package wake

import (
	"context"
	"errors"

	"github.com/godbus/dbus/v5"
)

// The signal that logind sends before the machine sleeps, with true, and when
// it has resumed, with false: org.freedesktop.login1(5).
const (
	logind      = "org.freedesktop.login1"
	manager     = "org.freedesktop.login1.Manager"
	sleepSignal = "PrepareForSleep"
)

// watchSleep tells when the machine has resumed, as long as there is a bus.
func watchSleep(ctx context.Context, c Config, tell func(string)) error {
	connect := dbus.ConnectSystemBus
	if c.Bus != "" {
		connect = func(o ...dbus.ConnOption) (*dbus.Conn, error) { return dbus.Connect(c.Bus, o...) }
	}
	conn, err := connect(dbus.WithContext(ctx))
	if err != nil {
		return err
	}
	defer conn.Close()
	err = conn.AddMatchSignalContext(ctx, dbus.WithMatchSender(logind), dbus.WithMatchInterface(manager), dbus.WithMatchMember(sleepSignal))
	if err != nil {
		return err
	}
	signals := make(chan *dbus.Signal, 8)
	conn.Signal(signals)
	for {
		select {
		case s, open := <-signals:
			if !open {
				return errors.New("the bus has closed the connection")
			}
			if len(s.Body) == 1 && s.Body[0] == false && s.Name == manager+"."+sleepSignal {
				tell("the machine has resumed")
			}
		case <-ctx.Done():
			return nil
		}
	}
}
