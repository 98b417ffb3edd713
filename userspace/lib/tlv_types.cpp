// SPDX-License-Identifier: BSD-2-Clause
#include "lib/tlv_types.h"

namespace tp
{

/* The registry in the specification, section 2.2, and types of cloud providers. */
static constexpr TlvType types[] = {
	{ 0x01, false, UINT16_MAX, TlvKind::text, "alpn" },
	{ 0x02, false, UINT16_MAX, TlvKind::text, "authority" },
	{ 0x03, false, 4, TlvKind::crc32c, "crc32c" },
	{ 0x04, false, UINT16_MAX, TlvKind::bytes, "noop" },
	{ 0x05, false, 128, TlvKind::text, "unique_id" },
	{ 0x20, false, UINT16_MAX, TlvKind::ssl, "ssl" },
	{ 0x21, true, UINT16_MAX, TlvKind::text, "ssl_version" },
	{ 0x22, true, UINT16_MAX, TlvKind::text, "ssl_cn" },
	{ 0x23, true, UINT16_MAX, TlvKind::text, "ssl_cipher" },
	{ 0x24, true, UINT16_MAX, TlvKind::text, "ssl_sig_alg" },
	{ 0x25, true, UINT16_MAX, TlvKind::text, "ssl_key_alg" },
	{ 0x26, true, UINT16_MAX, TlvKind::text, "ssl_group" },
	{ 0x27, true, UINT16_MAX, TlvKind::text, "ssl_sig_scheme" },
	{ 0x28, true, UINT16_MAX, TlvKind::bytes, "ssl_client_cert" },
	{ 0x30, false, UINT16_MAX, TlvKind::text, "netns" },
	{ 0xe0, false, 8, TlvKind::gcp, "gcp" },
	{ 0xea, false, UINT16_MAX, TlvKind::aws, "aws" },
	{ 0xee, false, UINT16_MAX, TlvKind::azure, "azure" },
};

const TlvType *find_tlv_type(uint8_t number, bool in_ssl)
{
	for (const TlvType &type : types)
		if (type.number == number && type.in_ssl == in_ssl)
			return &type;
	return nullptr;
}

static uint64_t big_endian(const uint8_t *bytes, size_t length)
{
	uint64_t number = 0;

	for (size_t i = 0; i < length; i++)
		number = number << 8 | bytes[i];
	return number;
}

bool read_crc32c(const uint8_t *value, size_t length, uint32_t &checksum)
{
	if (length != 4)
		return false;
	checksum = (uint32_t)big_endian(value, 4);
	return true;
}

bool read_ssl(const uint8_t *value, size_t length, uint8_t &client, uint32_t &verify)
{
	if (length < ssl_fixed)
		return false;
	client = value[0];
	verify = (uint32_t)big_endian(value + 1, 4);
	return true;
}

bool read_azure_link_id(const uint8_t *value, size_t length, uint32_t &link_id)
{
	if (length != 5 || value[0] != cloud_subtype)
		return false;
	link_id = (uint32_t)value[1] | (uint32_t)value[2] << 8 | (uint32_t)value[3] << 16 |
		  (uint32_t)value[4] << 24;
	return true;
}

bool read_gcp_psc_connection_id(const uint8_t *value, size_t length, uint64_t &connection_id)
{
	if (length != 8)
		return false;
	connection_id = big_endian(value, 8);
	return true;
}

} // namespace tp
