package keys

import (
	"encoding/binary"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

const (
	groupAndOthers = 0o066 // read or write; the execute bits give nothing away
	groupRead      = 0o040
)

// othersMayUse reports whether anybody but the owner, root and this process may read or write f.
//
// The mode alone does not tell. systemd hands a credential to a service that is not root by an access control list
// for that one user, and where there is such a list the group bits of the mode show the mask of the list, not the
// rights of the group: 0440 for a file that no group can read. So a group that seems to read is looked up there.
func othersMayUse(f *os.File, mode fs.FileMode) bool {
	granted := mode.Perm() & groupAndOthers
	if granted == 0 {
		return false
	}
	if granted != groupRead {
		return true
	}
	acl := make([]byte, 1024)
	n, err := syscall.Getxattr("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), "system.posix_acl_access", acl)
	if err != nil {
		return true // no list, or one too long to be that of a credential: the group bits mean the group
	}
	return aclGrantsOthers(acl[:n], uint32(os.Geteuid()))
}

// aclGrantsOthers reports whether an access control list, as the kernel hands it out, lets anybody read or write
// but the owner of the file and the user uid. It says yes to what it does not understand.
//
// The layout is that of linux/posix_acl_xattr.h: a version in 4 bytes, then entries of a tag and a permission in 2
// bytes each and an id in 4, all little-endian.
func aclGrantsOthers(acl []byte, uid uint32) bool {
	const (
		version             = 2
		owner, user         = 0x01, 0x02
		owningGroup, group  = 0x04, 0x08
		mask, others        = 0x10, 0x20
		readOrWrite         = 4 | 2
		headBytes, oneBytes = 4, 8
	)
	if len(acl) < headBytes || (len(acl)-headBytes)%oneBytes != 0 || binary.LittleEndian.Uint32(acl) != version {
		return true
	}
	for e := acl[headBytes:]; len(e) > 0; e = e[oneBytes:] {
		tag, perm := binary.LittleEndian.Uint16(e), binary.LittleEndian.Uint16(e[2:])
		switch tag {
		case owner, mask:
			// The owner may, and a mask only takes away.
		case user:
			if perm&readOrWrite != 0 && binary.LittleEndian.Uint32(e[4:]) != uid {
				return true
			}
		case owningGroup, group, others:
			if perm&readOrWrite != 0 {
				return true
			}
		default:
			return true
		}
	}
	return false
}
