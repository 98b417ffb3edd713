/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The types of TLVs, and how their values are read: for the library's functions and for what the
 * command shows.
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
	bool in_ssl;   /* inside one of type SSL; otherwise not */
	uint16_t most; /* bytes of the value */
	TlvKind kind;
	const char *name;
};

/* Null for what is in no registry. */
const TlvType *find_tlv_type(uint8_t number, bool in_ssl);

/* What a value says; nothing is read behind `length`, and false means that it is not of this form. */
bool read_crc32c(const uint8_t *value, size_t length, uint32_t &checksum);
bool read_ssl(const uint8_t *value, size_t length, uint8_t &client, uint32_t &verify);
bool read_azure_link_id(const uint8_t *value, size_t length, uint32_t &link_id);
bool read_gcp_psc_connection_id(const uint8_t *value, size_t length, uint64_t &connection_id);

/* Of AWS and Azure: what the value is about is its first byte; only this is known. */
inline constexpr uint8_t cloud_subtype = 1;

/* Of the value of type SSL: flags and verification, and the TLVs behind them. */
inline constexpr size_t ssl_fixed = 5;

} // namespace tp

#endif
