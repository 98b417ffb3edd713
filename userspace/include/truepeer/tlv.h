/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a header of version 2 says beside addresses: its TLVs, section 2.2 of the PROXY protocol
 * specification.  truepeer.h includes this.
 *
 * All functions here read `size` bytes at `header`, which come from truepeer_get_header() or
 * from getsockopt() (sockopt.h), and nothing else: they need neither privileges nor a handle,
 * allocate nothing, and never read beyond those bytes, whatever these are.
 */
#ifndef TRUEPEER_TLV_H
#define TRUEPEER_TLV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `value` points into the header that it was found in; it does not end with a 0. */
struct truepeer_tlv {
	uint8_t type;
	uint8_t reserved;
	uint16_t length; /* of the value, host byte order */
	const uint8_t *value;
};

/* Types of TLVs, of the specification's registry and of cloud providers. */
enum truepeer_tlv_type {
	TRUEPEER_TLV_ALPN = 0x01,
	TRUEPEER_TLV_AUTHORITY = 0x02,
	TRUEPEER_TLV_CRC32C = 0x03,
	TRUEPEER_TLV_NOOP = 0x04,
	TRUEPEER_TLV_UNIQUE_ID = 0x05,
	TRUEPEER_TLV_SSL = 0x20,
	TRUEPEER_TLV_SSL_VERSION = 0x21, /* 0x21 to 0x28: inside TRUEPEER_TLV_SSL */
	TRUEPEER_TLV_SSL_CN = 0x22,
	TRUEPEER_TLV_SSL_CIPHER = 0x23,
	TRUEPEER_TLV_SSL_SIG_ALG = 0x24,
	TRUEPEER_TLV_SSL_KEY_ALG = 0x25,
	TRUEPEER_TLV_SSL_GROUP = 0x26,
	TRUEPEER_TLV_SSL_SIG_SCHEME = 0x27,
	TRUEPEER_TLV_SSL_CLIENT_CERT = 0x28,
	TRUEPEER_TLV_NETNS = 0x30,
	TRUEPEER_TLV_GCP = 0xe0,   /* PSC connection id: 8 bytes, big endian */
	TRUEPEER_TLV_AWS = 0xea,   /* first byte 1: VPC endpoint id, text */
	TRUEPEER_TLV_AZURE = 0xee, /* first byte 1: link id, 4 bytes, little endian */
};

/*
 * Steps through the TLVs: *position is 0 for the first one, and is moved on by each call.  Returns
 * 1 with *tlv set, 0 when there are no more, INVALID where `header` is no version 2 header with
 * whole TLVs.
 */
int truepeer_next_tlv(const void *header, size_t size, size_t *position, struct truepeer_tlv *tlv);

/* The same for the TLVs inside one of TRUEPEER_TLV_SSL (section 2.2.6). */
int truepeer_next_ssl_tlv(const struct truepeer_tlv *ssl, size_t *position,
			  struct truepeer_tlv *tlv);

/*
 * The value of one type of TLV, where there are several of it the first one's.  Each function
 * returns 1 with its result set; 0 where the header has no such TLV, also with a `size` of 0,
 * which is what truepeer_get_header() says of a header that was not kept because it has none;
 * TRUEPEER_ERROR_INVALID where a pointer is null, where `header` is no version 2 header with whole
 * TLVs as far as it had to be read, or where the value is not what the section says.  The result is
 * unchanged unless they return 1.
 *
 * Texts are as the proxy has sent them.  They need not be valid in their encoding, and may hold
 * zeros and control characters: whoever prints them has to see to that.
 */

/* 2.2.1: the protocol that ALPN has chosen, such as "h2"; any bytes (RFC 7301). */
int truepeer_tlv_alpn(const void *header, size_t size, struct truepeer_tlv *value);

/* 2.2.2: the name that the client has asked for, such as TLS's SNI; UTF-8. */
int truepeer_tlv_authority(const void *header, size_t size, struct truepeer_tlv *value);

/* 2.2.3: the header's checksum, which truepeer has verified; INVALID unless of 4 bytes. */
int truepeer_tlv_crc32c(const void *header, size_t size, uint32_t *checksum);

/* 2.2.4: padding, which means nothing; here for its length. */
int truepeer_tlv_noop(const void *header, size_t size, struct truepeer_tlv *value);

/* 2.2.5: the proxy's name of the connection; INVALID if of more than 128 bytes. */
int truepeer_tlv_unique_id(const void *header, size_t size, struct truepeer_tlv *value);

/* 2.2.6: bits of `client`. */
enum truepeer_ssl_client {
	TRUEPEER_SSL_CLIENT_SSL = 0x01,       /* the client has connected over TLS */
	TRUEPEER_SSL_CLIENT_CERT_CONN = 0x02, /* it gave a certificate on this connection */
	TRUEPEER_SSL_CLIENT_CERT_SESS = 0x04, /* ... or in this TLS session */
};

/*
 * 2.2.6: how the client speaks to the proxy.  *verify is 0 if its certificate was verified; that
 * says something only together with one of the CERT bits.  INVALID if of less than 5 bytes.  Either
 * pointer may be null.
 */
int truepeer_tlv_ssl(const void *header, size_t size, uint8_t *client, uint32_t *verify);

/* 2.2.6, inside the first TLV of type SSL; 0 also where there is none of that. */

/* "TLSv1.3"; ASCII. */
int truepeer_tlv_ssl_version(const void *header, size_t size, struct truepeer_tlv *value);

/* The common name of the client's certificate; UTF-8. */
int truepeer_tlv_ssl_cn(const void *header, size_t size, struct truepeer_tlv *value);

/* "ECDHE-RSA-AES128-GCM-SHA256"; ASCII. */
int truepeer_tlv_ssl_cipher(const void *header, size_t size, struct truepeer_tlv *value);

/* What signed the proxy's certificate: "SHA256"; ASCII. */
int truepeer_tlv_ssl_sig_alg(const void *header, size_t size, struct truepeer_tlv *value);

/* The key of the proxy's certificate: "RSA2048"; ASCII. */
int truepeer_tlv_ssl_key_alg(const void *header, size_t size, struct truepeer_tlv *value);

/* Of the key exchange: "secp256r1"; ASCII. */
int truepeer_tlv_ssl_group(const void *header, size_t size, struct truepeer_tlv *value);

/* What the proxy has signed the handshake with: "rsa_pss_rsae_sha256"; ASCII. */
int truepeer_tlv_ssl_sig_scheme(const void *header, size_t size, struct truepeer_tlv *value);

/* The client's certificate: X.509 in DER. */
int truepeer_tlv_ssl_client_cert(const void *header, size_t size, struct truepeer_tlv *value);

/* 2.2.7: the name of a network namespace of the proxy's; ASCII. */
int truepeer_tlv_netns(const void *header, size_t size, struct truepeer_tlv *value);

/*
 * 2.2.8, types of one's own choice: what load balancers of AWS, Azure and Google Cloud say of
 * private endpoints.  Where the first byte is another one than 1 (AWS, Azure) the value is about
 * something else, and is passed over.
 */

/* 0xEA: such as "vpce-08d2bf15fac5001c9", ASCII; INVALID if empty. */
int truepeer_tlv_aws_vpc_endpoint_id(const void *header, size_t size, struct truepeer_tlv *value);

/* 0xEE: the LINKID of a private endpoint; INVALID unless of 4 bytes. */
int truepeer_tlv_azure_link_id(const void *header, size_t size, uint32_t *link_id);

/* 0xE0: the connection id of Private Service Connect; INVALID unless of 8 bytes. */
int truepeer_tlv_gcp_psc_connection_id(const void *header, size_t size, uint64_t *connection_id);

#ifdef __cplusplus
}
#endif

#endif
