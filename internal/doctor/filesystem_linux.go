package doctor

import "golang.org/x/sys/unix"

// unfit are the file systems that hold no sockets, or not for two processes at
// once, by their magic numbers. statfs(2).
var unfit = map[int64]string{
	0x4d44: "vfat", 0x2011bab0: "exfat", 0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "SMB",
	0x01021997: "9p", 0x5346414f: "AFS", 0x73757245: "Coda", 0x5346544e: "NTFS",
}

// fileSystem names the file system of a directory when it is no place for
// sockets, else "".
func fileSystem(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return ""
	}
	return unfit[int64(st.Type)&0xffffffff]
}

// maxSocketPath is the longest name of a socket. unix(7).
const maxSocketPath = 107
