/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a header of version 2 says beside addresses: its TLVs, section 2.2 of the PROXY protocol
 * specification. truepeer.h includes this.
 *
 * All functions here read `size` bytes at `header`, which come from truepeer_get_header() or from
 * getsockopt() (sockopt.h), and nothing else. They need neither privileges nor a handle, allocate
 * nothing, and never read beyond those bytes, whatever the bytes are.
 */
#ifndef TRUEPEER_TLV_H
#define TRUEPEER_TLV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `value` points into the header that the TLV was found in. It does not end with a 0. */
struct truepeer_tlv {
	uint8_t type;
	uint8_t reserved;
	uint16_t length; /* of the value, host byte order */
	const uint8_t *value;
};

/* Types of TLVs, from the specification's registry and from cloud providers. */
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
 * Steps through the TLVs. *position is 0 for the first one, and each call moves it on. Returns 1
 * with *tlv set, 0 when there are no more, and INVALID if `header` is not a version 2 header with
 * complete TLVs.
 */
int truepeer_next_tlv(const void *header, size_t size, size_t *position, struct truepeer_tlv *tlv);

/* The same for the TLVs inside a TLV of type TRUEPEER_TLV_SSL (section 2.2.6). */
int truepeer_next_ssl_tlv(const struct truepeer_tlv *ssl, size_t *position,
			  struct truepeer_tlv *tlv);

/*
 * The following functions give the value of one type of TLV; if there are several of that type, the
 * first one's. Each returns 1 with its result set. It returns 0 if the header has no such TLV, also
 * with a `size` of 0, which is what truepeer_get_header() gives for a header that was not kept
 * because it has none. It returns TRUEPEER_ERROR_INVALID if a pointer is null, if `header` is not a
 * version 2 header with complete TLVs as far as it had to be read, or if the value is not what the
 * section says. The result is unchanged unless the function returns 1.
 *
 * Texts are as the proxy has sent them. They need not be valid in their encoding, and may hold
 * zeros and control characters. Check them before you print them.
 */

/* 2.2.1: the protocol that ALPN has chosen, such as "h2". It may be any bytes (RFC 7301). */
int truepeer_tlv_alpn(const void *header, size_t size, struct truepeer_tlv *value);

/* 2.2.2: the name that the client has asked for, such as TLS's SNI, in UTF-8. */
int truepeer_tlv_authority(const void *header, size_t size, struct truepeer_tlv *value);

/* 2.2.3: the header's checksum, which truepeer has verified. INVALID unless it has 4 bytes. */
int truepeer_tlv_crc32c(const void *header, size_t size, uint32_t *checksum);

/* 2.2.4: padding, which means nothing. Only its length may be of interest. */
int truepeer_tlv_noop(const void *header, size_t size, struct truepeer_tlv *value);

/* 2.2.5: the proxy's name for the connection. INVALID if it has more than 128 bytes. */
int truepeer_tlv_unique_id(const void *header, size_t size, struct truepeer_tlv *value);

/* 2.2.6: bits of `client`. */
enum truepeer_ssl_client {
	TRUEPEER_SSL_CLIENT_SSL = 0x01,       /* the client has connected over TLS */
	TRUEPEER_SSL_CLIENT_CERT_CONN = 0x02, /* it gave a certificate on this connection */
	TRUEPEER_SSL_CLIENT_CERT_SESS = 0x04, /* it gave a certificate in this TLS session */
};

/*
 * 2.2.6: how the client speaks to the proxy. *verify is 0 if the client's certificate was verified,
 * which says something only together with one of the CERT bits. INVALID if the value has less than
 * 5 bytes. Either pointer may be null.
 */
int truepeer_tlv_ssl(const void *header, size_t size, uint8_t *client, uint32_t *verify);

/*
 * 2.2.6: the TLVs inside the first TLV of type SSL. The functions return 0 also if there is no TLV
 * of type SSL.
 */

/* "TLSv1.3"; ASCII. */
int truepeer_tlv_ssl_version(const void *header, size_t size, struct truepeer_tlv *value);

/* The common name of the client's certificate; UTF-8. */
int truepeer_tlv_ssl_cn(const void *header, size_t size, struct truepeer_tlv *value);

/* "ECDHE-RSA-AES128-GCM-SHA256"; ASCII. */
int truepeer_tlv_ssl_cipher(const void *header, size_t size, struct truepeer_tlv *value);

/* The algorithm that signed the proxy's certificate, such as "SHA256"; ASCII. */
int truepeer_tlv_ssl_sig_alg(const void *header, size_t size, struct truepeer_tlv *value);

/* The key of the proxy's certificate, such as "RSA2048"; ASCII. */
int truepeer_tlv_ssl_key_alg(const void *header, size_t size, struct truepeer_tlv *value);

/* The group of the key exchange, such as "secp256r1"; ASCII. */
int truepeer_tlv_ssl_group(const void *header, size_t size, struct truepeer_tlv *value);

/*
 * The algorithm with which the proxy has signed the handshake, such as "rsa_pss_rsae_sha256";
 * ASCII.
 */
int truepeer_tlv_ssl_sig_scheme(const void *header, size_t size, struct truepeer_tlv *value);

/* The client's certificate, X.509 in DER. */
int truepeer_tlv_ssl_client_cert(const void *header, size_t size, struct truepeer_tlv *value);

/* 2.2.7: the name of a network namespace on the proxy's host; ASCII. */
int truepeer_tlv_netns(const void *header, size_t size, struct truepeer_tlv *value);

/*
 * 2.2.8, custom types: what the load balancers of AWS, Azure and Google Cloud say about private
 * endpoints. If the first byte is not 1 (AWS, Azure), the value is about something else and is
 * passed over.
 */

/* 0xEA: for example "vpce-08d2bf15fac5001c9", in ASCII. INVALID if it is empty. */
int truepeer_tlv_aws_vpc_endpoint_id(const void *header, size_t size, struct truepeer_tlv *value);

/* 0xEE: the LINKID of a private endpoint. INVALID unless it has 4 bytes. */
int truepeer_tlv_azure_link_id(const void *header, size_t size, uint32_t *link_id);

/* 0xE0: the connection id of Private Service Connect. INVALID unless it has 8 bytes. */
int truepeer_tlv_gcp_psc_connection_id(const void *header, size_t size, uint64_t *connection_id);

#ifdef __cplusplus
}
#endif

#endif
