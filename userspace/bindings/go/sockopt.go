// SPDX-License-Identifier: BSD-2-Clause

package truepeer

import (
	"bytes"
	"net"
	"time"
	"unsafe"
)

// <truepeer/sockopt.h>
const (
	levelTruepeer    = 0x7470
	optionInfo       = 4
	optionHeaderPart = 0x100 // and above
	headerPartSize   = 1024
	headerParts      = 16
)

// The numbers of Linux, on whatever system this is compiled for.
const (
	familyUnix = 1
	familyIPv4 = 2
	familyIPv6 = 10
	pathSize   = 108
)

// storage is struct sockaddr_storage.
type storage struct {
	family uint16
	data   [126]byte
}

// rawInfo is the first version of struct truepeer_peer.
type rawInfo struct {
	size, service                       uint32
	cookie, synNs, headerNs             uint64
	headerBytes                         uint16
	version, command, transport, engine uint8
	_                                   [2]uint8
	origin, destination, proxy, local   storage
}

func (r *rawInfo) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(r)), unsafe.Sizeof(*r))
}

func (r *rawInfo) info() *Info {
	return &Info{
		Origin:      r.origin.addr(),
		Destination: r.destination.addr(),
		Proxy:       r.proxy.addr(),
		Local:       r.local.addr(),
		Version:     int(r.version),
		Command:     Command(r.command),
		Engine:      Engine(r.engine),
		Service:     int(r.service),
		Cookie:      r.cookie,
		HeaderBytes: int(r.headerBytes),
		HeaderAt:    time.Duration(r.headerNs),
	}
}

// unixName returns the name of a Unix socket. As in package net, "@" stands for the zero byte of an abstract name.
func unixName(path []byte) string {
	if path[0] == 0 && path[1] != 0 {
		path = append([]byte{'@'}, path[1:]...)
	}
	if end := bytes.IndexByte(path, 0); end >= 0 {
		path = path[:end]
	}
	return string(path)
}

func (s *storage) addr() net.Addr {
	port := int(s.data[0])<<8 | int(s.data[1])
	switch s.family {
	case familyIPv4:
		return &net.TCPAddr{IP: append(net.IP(nil), s.data[2:6]...), Port: port}
	case familyIPv6:
		return &net.TCPAddr{IP: append(net.IP(nil), s.data[6:22]...), Port: port}
	case familyUnix:
		return &net.UnixAddr{Name: unixName(s.data[:pathSize]), Net: "unix"}
	}
	return nil
}
