// Package route expands a destination into the hops that lead to it: the
// ProxyJump chain of any depth, each hop with its own resolved options, the
// loops that must be refused, the route's key and its parent. It reads no
// file, opens no connection and knows nothing of authentication beyond the
// fact that it is part of what makes two routes different.
package route
