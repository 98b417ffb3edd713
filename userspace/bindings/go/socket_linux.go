// SPDX-License-Identifier: BSD-2-Clause

//go:build linux && !386 && !s390x

package truepeer

import (
	"net"
	"syscall"
	"unsafe"
)

// getsockopt fills the buffer and returns the size of the answer.
func getsockopt(conn net.Conn, option int, buffer []byte) (int, error) {
	var errno syscall.Errno

	socket, err := socketOf(conn)
	if err != nil {
		return 0, err
	}
	size := uint32(len(buffer))
	err = socket.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, levelTruepeer, uintptr(option),
			uintptr(unsafe.Pointer(&buffer[0])), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err != nil {
		return 0, err
	}
	if errno != 0 {
		return 0, wrap(errno)
	}
	return int(size), nil
}
