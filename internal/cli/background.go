package cli

// The roles of a child.
const (
	roleCommand = "command" // all that the command line asks for
	roleMaster  = "master"  // a master for others and nothing else
	roleRider   = "rider"   // the session, on the master that is there now
	roleSession = "session" // a session on the terminal that "~&" may take off it
)
