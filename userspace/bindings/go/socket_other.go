// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux || 386 || s390x

package truepeer

import "net"

// getsockopt fails, because truepeer does not exist here, or because there is no such system call.
func getsockopt(conn net.Conn, _ int, _ []byte) (int, error) {
	if _, err := socketOf(conn); err != nil {
		return 0, err
	}
	return 0, ErrNotRunning
}
