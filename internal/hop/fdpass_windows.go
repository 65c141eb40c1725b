package hop

import (
	"context"
	"errors"
	"net"
)

// receiveFromProxy: descriptors cannot be passed here.
func receiveFromProxy(context.Context, string, Origin, func(string)) (net.Conn, error) {
	return nil, errors.New("ProxyUseFdpass is not supported on this system")
}
