// SPDX-License-Identifier: BSD-2-Clause

// A net/http server that answers with its peer's name: go_server ADDRESS:PORT [proxyproto]
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/pires/go-proxyproto"
)

func main() {
	padding := "\n" + strings.Repeat("x", 1000)
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 2 {
		listener = &proxyproto.Listener{Listener: listener}
	}
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.RemoteAddr+padding)
	})))
}
