package daemon

import "sallyport/internal/hop"

// Algorithms is what connections can negotiate, for ssh -Q.
func Algorithms() hop.Algorithms { return hop.Supported() }

// Notice is what a private server tells its command.
type Notice = hop.Notice
