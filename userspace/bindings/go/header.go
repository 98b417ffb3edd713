// SPDX-License-Identifier: BSD-2-Clause

package truepeer

import (
	"encoding/binary"
	"errors"
)

// Types of TLVs, of the specification (sections 2.2.1 to 2.2.8) and of cloud providers.
const (
	TLVALPN          = 0x01
	TLVAuthority     = 0x02
	TLVCRC32C        = 0x03
	TLVNoop          = 0x04
	TLVUniqueID      = 0x05
	TLVSSL           = 0x20
	TLVSSLVersion    = 0x21 // 0x21 to 0x28: inside TLVSSL
	TLVSSLCommonName = 0x22
	TLVSSLCipher     = 0x23
	TLVSSLSigAlg     = 0x24
	TLVSSLKeyAlg     = 0x25
	TLVSSLGroup      = 0x26
	TLVSSLSigScheme  = 0x27
	TLVSSLClientCert = 0x28
	TLVNetns         = 0x30
	TLVGCP           = 0xe0
	TLVAWS           = 0xea
	TLVAzure         = 0xee
)

// ErrHeader means that the bytes are no header of version 2, or that its TLVs are cut off.
var ErrHeader = errors.New("truepeer: not a header of version 2 with whole TLVs")

// TLV is one type and value.
type TLV struct {
	Type  uint8
	Value []byte
}

// TLVs are a header's TLVs, in its order.
type TLVs []TLV

// Header is a header of version 2 as it was sent.
type Header []byte

// SSL is the client's TLS connection to the proxy (section 2.2.6).
type SSL struct {
	Client uint8  // bits: 1 TLS was used, 2 certificate in this connection, 4 in this session
	Verify uint32 // 0: the certificate was found good
	TLVs   TLVs
}

func parseTLVs(bytes []byte) (TLVs, error) {
	var all TLVs

	for len(bytes) > 0 {
		if len(bytes) < 3 {
			return nil, ErrHeader
		}
		end := 3 + int(binary.BigEndian.Uint16(bytes[1:]))
		if end > len(bytes) {
			return nil, ErrHeader
		}
		all = append(all, TLV{bytes[0], bytes[3:end]})
		bytes = bytes[end:]
	}
	return all, nil
}

// Get returns the value of the first TLV of this type, and whether there is one.
func (t TLVs) Get(kind uint8) ([]byte, bool) {
	for _, one := range t {
		if one.Type == kind {
			return one.Value, true
		}
	}
	return nil, false
}

// Text returns the value of the first TLV of this type as text, or "".
func (t TLVs) Text(kind uint8) string {
	value, _ := t.Get(kind)
	return string(value)
}

// TLVs returns the header's TLVs. LOCAL headers, and headers without addresses, give none.
func (h Header) TLVs() (TLVs, error) {
	blocks := [...]int{0, 12, 36, 216}

	if len(h) < 16 || h[12]>>4 != 2 || int(h[13]>>4) >= len(blocks) {
		return nil, ErrHeader
	}
	begin, end := 16+blocks[h[13]>>4], 16+int(binary.BigEndian.Uint16(h[14:]))
	if begin > end || end > len(h) {
		return nil, ErrHeader
	}
	if h[12]&15 == 0 || h[13]>>4 == 0 {
		return nil, nil
	}
	return parseTLVs(h[begin:end])
}

// SSL returns the client's TLS connection, or nil if the header does not describe it.
func (t TLVs) SSL() (*SSL, error) {
	value, ok := t.Get(TLVSSL)
	if !ok {
		return nil, nil
	}
	if len(value) < 5 {
		return nil, ErrHeader
	}
	inner, err := parseTLVs(value[5:])
	if err != nil {
		return nil, err
	}
	return &SSL{value[0], binary.BigEndian.Uint32(value[1:]), inner}, nil
}

// Authority is the host name that the client asked for (SNI).
func (t TLVs) Authority() string { return t.Text(TLVAuthority) }

// ALPN is the protocol that TLS has negotiated, such as "h2".
func (t TLVs) ALPN() string { return t.Text(TLVALPN) }

// AWSEndpoint is AWS PrivateLink's endpoint id, such as "vpce-08d2bf15fac5001c9".
func (t TLVs) AWSEndpoint() string {
	value, _ := t.Get(TLVAWS)
	if len(value) < 1 || value[0] != 1 {
		return ""
	}
	return string(value[1:])
}

// AzureLinkID is the number of Azure's private endpoint, and whether it is given.
func (t TLVs) AzureLinkID() (uint32, bool) {
	value, _ := t.Get(TLVAzure)
	if len(value) < 5 || value[0] != 1 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(value[1:]), true
}

// GCPConnectionID is Private Service Connect's connection number, and whether it is given.
func (t TLVs) GCPConnectionID() (uint64, bool) {
	value, _ := t.Get(TLVGCP)
	if len(value) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(value), true
}
