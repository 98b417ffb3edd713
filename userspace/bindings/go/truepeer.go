// SPDX-License-Identifier: BSD-2-Clause

// Package truepeer tells who the real peer of a connection is.
//
// On a host where truepeer takes PROXY protocol headers out of TCP connections, RemoteAddr is the real client
// already. This package gives the rest: where the client wanted to go, the proxy, the header's TLVs, and IPv6 clients of
// IPv4 sockets. It asks the kernel by getsockopt(2), which takes an agent that was started with --getsockopt, and
// neither privileges nor cgo. All functions may be called by several goroutines at once.
package truepeer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Peer and HeaderOf return these errors, wrapped; test for them with errors.Is.
var (
	// ErrNotRunning means that truepeer does not answer this socket, because it does not run, runs without
	// --getsockopt, or answers another cgroup.
	ErrNotRunning = errors.New("truepeer does not answer this socket")
	// ErrNotFound means that it is not a live connection of a service, or was passed on without a header.
	ErrNotFound = errors.New("not a truepeer connection")
	// ErrNoSocket means that there is no socket below the net.Conn.
	ErrNoSocket = errors.New("not a socket")
)

// Command says whose connection it is.
type Command uint8

// Commands, with the numbers of the header.
const (
	Local Command = 0 // the proxy's own, such as a health check
	Proxy Command = 1 // a client's
)

// Engine says how the header was taken out.
type Engine uint8

// Info is one connection. Addresses are *net.TCPAddr or *net.UnixAddr. If the header names none (Local), Origin
// and Destination are Proxy and Local.
type Info struct {
	Origin      net.Addr // the real client
	Destination net.Addr // what it connected to
	Proxy       net.Addr // the TCP peer
	Local       net.Addr // this host's end of the TCP connection
	Version     int      // of the header: 1 or 2
	Command     Command
	Engine      Engine
	Service     int           // index, as in `truepeer status`
	Cookie      uint64        // the socket's SO_COOKIE
	HeaderBytes int           // length of the header
	HeaderAt    time.Duration // CLOCK_BOOTTIME: when the header was complete
}

// String is the engine's name.
func (e Engine) String() string {
	names := [...]string{"none", "handshake", "sender", "", "translate"}
	if int(e) < len(names) {
		return names[e]
	}
	return "unknown"
}

// Peer returns everything that is known of the connection except its header. conn is a *net.TCPConn, or anything with a
// NetConn method that leads to one, such as *tls.Conn.
func Peer(conn net.Conn) (*Info, error) {
	var raw rawInfo

	if _, err := getsockopt(conn, optionInfo, raw.bytes()); err != nil {
		return nil, err
	}
	return raw.info(), nil
}

// HeaderOf returns the connection's header as it was sent, or nil if it has neither TLVs nor AF_UNIX addresses.
func HeaderOf(conn net.Conn) (Header, error) {
	var header Header

	for part := 0; part < headerParts; part++ {
		buffer := make([]byte, headerPartSize)
		size, err := getsockopt(conn, optionHeaderPart+part, buffer)
		if errors.Is(err, syscall.ENODATA) {
			break
		}
		if err != nil {
			return nil, err
		}
		header = append(header, buffer[:size]...)
		if size < headerPartSize {
			break
		}
	}
	return header, nil
}

type connKey struct{}

// ConnContext is for http.Server.ConnContext: it lets handlers ask about their request's connection.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// FromContext returns the connection of a request whose server uses ConnContext, otherwise nil.
func FromContext(ctx context.Context) net.Conn {
	conn, _ := ctx.Value(connKey{}).(net.Conn)
	return conn
}

func wrap(errno syscall.Errno) error {
	switch errno {
	case syscall.EOPNOTSUPP, syscall.ENOPROTOOPT:
		return fmt.Errorf("truepeer: %w", ErrNotRunning)
	case syscall.ENOTCONN:
		return fmt.Errorf("truepeer: %w", ErrNotFound)
	}
	return fmt.Errorf("truepeer: getsockopt: %w", errno)
}

// socketOf finds the socket below TLS and other layers.
func socketOf(conn net.Conn) (syscall.RawConn, error) {
	for conn != nil {
		if socket, ok := conn.(syscall.Conn); ok {
			return socket.SyscallConn()
		}
		layer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = layer.NetConn()
	}
	return nil, fmt.Errorf("truepeer: %w", ErrNoSocket)
}
