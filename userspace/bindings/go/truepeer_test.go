// SPDX-License-Identifier: BSD-2-Clause

package truepeer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
	"testing"
	"unsafe"
)

// On a live connection: tests/apps/bindings_test.cpp.

func TestLayout(t *testing.T) {
	var raw rawInfo

	for _, one := range []struct {
		name      string
		got, want uintptr
	}{
		{"size", unsafe.Sizeof(raw), 552},
		{"cookie", unsafe.Offsetof(raw.cookie), 8},
		{"headerBytes", unsafe.Offsetof(raw.headerBytes), 32},
		{"origin", unsafe.Offsetof(raw.origin), 40},
		{"destination", unsafe.Offsetof(raw.destination), 168},
		{"proxy", unsafe.Offsetof(raw.proxy), 296},
		{"local", unsafe.Offsetof(raw.local), 424},
	} {
		if one.got != one.want {
			t.Errorf("%s: %d, not %d", one.name, one.got, one.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	ipv4 := storage{family: familyIPv4}
	copy(ipv4.data[:], "\x10\x92\xcb\x00\x71\x09")
	ipv6 := storage{family: familyIPv6}
	copy(ipv6.data[:], "\x01\xbb\x00\x00\x00\x00\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01")
	unix, abstract, long := storage{family: familyUnix}, storage{family: familyUnix}, storage{family: familyUnix}
	copy(unix.data[:], "/run/x")
	copy(abstract.data[:], "\x00x")
	copy(long.data[:], bytes.Repeat([]byte("y"), pathSize))
	for _, one := range []struct {
		from storage
		text string
	}{
		{ipv4, "203.0.113.9:4242"}, {ipv6, "[2001:db8::1]:443"}, {unix, "/run/x"}, {abstract, "@x"},
		{long, string(bytes.Repeat([]byte("y"), pathSize))},
	} {
		if got := one.from.addr().String(); got != one.text {
			t.Errorf("%s, not %s", got, one.text)
		}
	}
	if addr := (&storage{}).addr(); addr != nil {
		t.Errorf("%v of nothing", addr)
	}
}

func TestErrors(t *testing.T) {
	for errno, want := range map[syscall.Errno]error{
		syscall.EOPNOTSUPP:  ErrNotRunning,
		syscall.ENOPROTOOPT: ErrNotRunning,
		syscall.ENOTCONN:    ErrNotFound,
		syscall.EBADF:       syscall.EBADF,
	} {
		if err := wrap(errno); !errors.Is(err, want) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

func pair(t *testing.T) (net.Conn, net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// Not a service's connection, whether truepeer runs here or not; what is on top of it makes no difference.
func TestOtherConnections(t *testing.T) {
	client, server := pair(t)

	for _, conn := range []net.Conn{client, server, tls.Client(client, &tls.Config{}), tls.Server(server, nil)} {
		_, err := Peer(conn)
		if !errors.Is(err, ErrNotRunning) && !errors.Is(err, ErrNotFound) {
			t.Errorf("%T: %v", conn, err)
		}
		header, err := HeaderOf(conn)
		if header != nil || (!errors.Is(err, ErrNotRunning) && !errors.Is(err, ErrNotFound)) {
			t.Errorf("%T: %v, %v", conn, header, err)
		}
	}
	server.Close()
	if _, err := Peer(server); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("closed: %v", err)
	}
	one, two := net.Pipe()
	defer one.Close()
	defer two.Close()
	if _, err := Peer(one); !errors.Is(err, ErrNoSocket) {
		t.Errorf("pipe: %v", err)
	}
	if _, err := Peer(nil); !errors.Is(err, ErrNoSocket) {
		t.Errorf("nil: %v", err)
	}
}

func TestContext(t *testing.T) {
	client, _ := pair(t)

	if FromContext(ConnContext(context.Background(), client)) != client || FromContext(context.Background()) != nil {
		t.Error("another connection")
	}
}

func tlv(kind uint8, value string) string {
	return string([]byte{kind, uint8(len(value) >> 8), uint8(len(value))}) + value
}

func header(command, family byte, tlvs string) Header {
	block := [...]int{0, 12, 36, 216}[family>>4]
	length := block + len(tlvs)
	fixed := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), command, family, byte(length>>8), byte(length))

	return append(append(fixed, make([]byte, block)...), tlvs...)
}

func TestTLVs(t *testing.T) {
	ssl := "\x07\x00\x00\x00\x00" + tlv(TLVSSLVersion, "TLSv1.3") + tlv(TLVSSLCommonName, "client")
	tlvs, err := header(0x21, 0x11, tlv(TLVALPN, "h2")+tlv(TLVAuthority, "example.org")+tlv(TLVSSL, ssl)+
		tlv(TLVGCP, "\x00\x00\x00\x00\x12\x34\x56\x78")+tlv(TLVAWS, "\x01vpce-1")+
		tlv(TLVAzure, "\x01\x78\x56\x34\x12")).TLVs()
	if err != nil {
		t.Fatal(err)
	}
	inner, err := tlvs.SSL()
	if err != nil || inner.Client != 7 || inner.Verify != 0 || inner.TLVs.Text(TLVSSLVersion) != "TLSv1.3" {
		t.Errorf("%v, %v", inner, err)
	}
	gcp, _ := tlvs.GCPConnectionID()
	azure, _ := tlvs.AzureLinkID()
	if tlvs.ALPN() != "h2" || tlvs.Authority() != "example.org" || tlvs.AWSEndpoint() != "vpce-1" ||
		gcp != 0x12345678 || azure != 0x12345678 || len(tlvs) != 6 {
		t.Errorf("%v", tlvs)
	}
}

func TestNoTLVs(t *testing.T) {
	tlvs, err := header(0x21, 0x11, tlv(0xe1, "")).TLVs()
	_, gcp := tlvs.GCPConnectionID()
	_, azure := tlvs.AzureLinkID()
	ssl, sslErr := tlvs.SSL()
	if err != nil || gcp || azure || ssl != nil || sslErr != nil || tlvs.AWSEndpoint() != "" || tlvs.Authority() != "" {
		t.Errorf("%v, %v", tlvs, err)
	}
	for _, unread := range []Header{header(0x20, 0x11, "\xff\xff"), header(0x21, 0x00, "\xff\xff")} {
		if tlvs, err := unread.TLVs(); tlvs != nil || err != nil {
			t.Errorf("%v, %v", tlvs, err)
		}
	}
}

func TestNotAHeader(t *testing.T) {
	whole := header(0x21, 0x11, tlv(TLVAuthority, "example.org"))

	for _, wrong := range []Header{nil, whole[:15], whole[:len(whole)-1], Header("PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n"),
		header(0x21, 0x11, "\x02\x00"), header(0x21, 0x11, tlv(2, "abc")[:5])} {
		if tlvs, err := wrong.TLVs(); err != ErrHeader {
			t.Errorf("%q: %v, %v", string(wrong), tlvs, err)
		}
	}
	if _, err := (TLVs{{TLVSSL, []byte("\x01\x00\x00\x00")}}).SSL(); err != ErrHeader {
		t.Errorf("TLS: %v", err)
	}
}
