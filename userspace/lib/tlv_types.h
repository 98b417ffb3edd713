/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The types of TLVs, and how their values are read. The library's functions and the command use
 * both.
 */
#ifndef TP_LIB_TLV_TYPES_H
#define TP_LIB_TLV_TYPES_H

#include <cstddef>
#include <cstdint>

namespace tp
{

enum class TlvKind { text, bytes, crc32c, ssl, aws, azure, gcp };

struct TlvType {
	uint8_t number;
	bool in_ssl;   /* it stands inside a TLV of type SSL */
	uint16_t most; /* the most bytes that the value may have */
	TlvKind kind;
	const char *name;
};

/*
 * The types of the registry in the specification, section 2.2, and of cloud providers:
 * X(name, number, in_ssl, most, kind). From these lists come the table behind find_tlv_type() and,
 * for types whose value is handed out as it is, the function truepeer_tlv_NAME().
 */
#define TP_PLAIN_TLVS(X)                                                                           \
	X(alpn, 0x01, false, UINT16_MAX, text)                                                     \
	X(authority, 0x02, false, UINT16_MAX, text)                                                \
	X(noop, 0x04, false, UINT16_MAX, bytes)                                                    \
	X(unique_id, 0x05, false, 128, text)                                                       \
	X(ssl_version, 0x21, true, UINT16_MAX, text)                                               \
	X(ssl_cn, 0x22, true, UINT16_MAX, text)                                                    \
	X(ssl_cipher, 0x23, true, UINT16_MAX, text)                                                \
	X(ssl_sig_alg, 0x24, true, UINT16_MAX, text)                                               \
	X(ssl_key_alg, 0x25, true, UINT16_MAX, text)                                               \
	X(ssl_group, 0x26, true, UINT16_MAX, text)                                                 \
	X(ssl_sig_scheme, 0x27, true, UINT16_MAX, text)                                            \
	X(ssl_client_cert, 0x28, true, UINT16_MAX, bytes)                                          \
	X(netns, 0x30, false, UINT16_MAX, text)

#define TP_OTHER_TLVS(X)                                                                           \
	X(crc32c, 0x03, false, 4, crc32c)                                                          \
	X(ssl, 0x20, false, UINT16_MAX, ssl)                                                       \
	X(gcp, 0xe0, false, 8, gcp)                                                                \
	X(aws, 0xea, false, UINT16_MAX, aws)                                                       \
	X(azure, 0xee, false, UINT16_MAX, azure)

/* Returns null for a type that is in no registry. */
const TlvType *find_tlv_type(uint8_t number, bool in_ssl);

/*
 * These read a value. They never read behind `length`, and return false if the value does not have
 * this form.
 */
bool read_crc32c(const uint8_t *value, size_t length, uint32_t &checksum);
bool read_ssl(const uint8_t *value, size_t length, uint8_t &client, uint32_t &verify);
bool read_azure_link_id(const uint8_t *value, size_t length, uint32_t &link_id);
bool read_gcp_psc_connection_id(const uint8_t *value, size_t length, uint64_t &connection_id);

struct Tlv {
	uint8_t number;
	uint16_t length;
	const uint8_t *value;
};

/*
 * Reads the TLV at `at`, of those that end at `end`. Returns 1, and `at` is behind it; 0 if there is
 * none left; -1 if it is not whole.
 */
inline int next_tlv(const uint8_t *bytes, size_t end, size_t &at, Tlv &tlv)
{
	if (at == end)
		return 0;
	if (at > end || end - at < 3)
		return -1;
	uint16_t length = (uint16_t)(bytes[at + 1] << 8 | bytes[at + 2]);
	if (length > end - at - 3)
		return -1;
	tlv = { bytes[at], length, bytes + at + 3 };
	at += 3u + length;
	return 1;
}

/* Two AF_UNIX paths of this size come after the first 16 bytes of a header (section 2.2). */
inline constexpr size_t paths_start = 16, path_size = 108;

/* For AWS and Azure, the first byte says what the value is about. Only this one is known. */
inline constexpr uint8_t cloud_subtype = 1;

/* In a value of type SSL, flags and verification take this many bytes, and TLVs follow. */
inline constexpr size_t ssl_fixed = 5;

} // namespace tp

#endif
