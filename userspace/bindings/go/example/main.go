// SPDX-License-Identifier: BSD-2-Clause

// A server that tells its clients who they are: example ADDRESS PORT. It answers each line with what truepeer knows of
// the connection, as JSON.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"truepeer"
)

type description struct {
	Error       string `json:"error,omitempty"`
	Origin      string `json:"origin,omitempty"`
	Destination string `json:"destination,omitempty"`
	Proxy       string `json:"proxy,omitempty"`
	Engine      string `json:"engine,omitempty"`
	Authority   string `json:"authority,omitempty"`
	TLS         string `json:"tls,omitempty"`
	HeaderBytes int    `json:"header_bytes"`
}

func failed(err error) description {
	switch {
	case errors.Is(err, truepeer.ErrNotFound):
		return description{Error: "NotFound"}
	case errors.Is(err, truepeer.ErrNotRunning):
		return description{Error: "NotRunning"}
	}
	return description{Error: err.Error()}
}

func describe(conn net.Conn) description {
	peer, err := truepeer.Peer(conn)
	if err != nil {
		return failed(err)
	}
	header, err := truepeer.HeaderOf(conn)
	if err != nil {
		return failed(err)
	}
	all := description{
		Origin:      peer.Origin.String(),
		Destination: peer.Destination.String(),
		Proxy:       peer.Proxy.String(),
		Engine:      peer.Engine.String(),
		HeaderBytes: len(header),
	}
	if header == nil {
		return all
	}
	tlvs, err := header.TLVs()
	if err != nil {
		return failed(err)
	}
	all.Authority = tlvs.Authority()
	if ssl, err := tlvs.SSL(); err == nil && ssl != nil {
		all.TLS = ssl.TLVs.Text(truepeer.TLVSSLVersion)
	}
	return all
}

func serve(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	answers := json.NewEncoder(conn)
	for lines.Scan() {
		if answers.Encode(describe(conn)) != nil {
			return
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Args[1], os.Args[2]))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening")
	for {
		conn, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go serve(conn)
	}
}
