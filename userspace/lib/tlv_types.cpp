// SPDX-License-Identifier: BSD-2-Clause
#include "lib/tlv_types.h"

namespace tp
{

#define TP_TLV_TYPE(name, number, in_ssl, most, kind)                                              \
	{ number, in_ssl, most, TlvKind::kind, #name },

static constexpr TlvType types[] = { TP_PLAIN_TLVS(TP_TLV_TYPE) TP_OTHER_TLVS(TP_TLV_TYPE) };

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
