// SPDX-License-Identifier: BSD-2-Clause
/* The value of each type of TLV. */
#include "lib/handle.h"
#include "lib/tlv_types.h"

using tp::TlvType;

/* Finds the first TLV of a type. Returns 1, 0 or INVALID. */
static int find_tlv(const void *header, size_t size, uint8_t number, truepeer_tlv *tlv)
{
	size_t position = 0;
	int result;

	if (size == 0)
		return 0;
	while ((result = truepeer_next_tlv(header, size, &position, tlv)) == 1)
		if (tlv->type == number)
			return 1;
	return result;
}

static int find_in_ssl(const truepeer_tlv &ssl, uint8_t number, truepeer_tlv *tlv)
{
	size_t position = 0;
	int result;

	while ((result = truepeer_next_ssl_tlv(&ssl, &position, tlv)) == 1)
		if (tlv->type == number)
			return 1;
	return result;
}

/* Gets a value that is handed out as it is. */
static int get_tlv(const void *header, size_t size, uint8_t number, bool in_ssl,
		   truepeer_tlv *value)
{
	const TlvType *type = tp::find_tlv_type(number, in_ssl);
	truepeer_tlv tlv;

	if (!value)
		return TRUEPEER_ERROR_INVALID;
	int result = find_tlv(header, size, in_ssl ? (uint8_t)TRUEPEER_TLV_SSL : number, &tlv);
	if (result == 1 && in_ssl) {
		truepeer_tlv ssl = tlv;

		result = find_in_ssl(ssl, number, &tlv);
	}
	if (result != 1)
		return result;
	if (tlv.length > type->most)
		return TRUEPEER_ERROR_INVALID;
	*value = tlv;
	return 1;
}

#define TP_PLAIN_TLV(name, number, in_ssl, most, kind)                                             \
	TP_EXPORT int truepeer_tlv_##name(const void *header, size_t size, truepeer_tlv *value)    \
	{                                                                                          \
		return get_tlv(header, size, number, in_ssl, value);                               \
	}

TP_PLAIN_TLVS(TP_PLAIN_TLV)

TP_EXPORT int truepeer_tlv_crc32c(const void *header, size_t size, uint32_t *checksum)
{
	truepeer_tlv tlv;

	if (!checksum)
		return TRUEPEER_ERROR_INVALID;
	int result = find_tlv(header, size, TRUEPEER_TLV_CRC32C, &tlv);
	if (result != 1)
		return result;
	return tp::read_crc32c(tlv.value, tlv.length, *checksum) ? 1 : TRUEPEER_ERROR_INVALID;
}

TP_EXPORT int truepeer_tlv_ssl(const void *header, size_t size, uint8_t *client, uint32_t *verify)
{
	truepeer_tlv tlv;
	uint32_t verification;
	uint8_t flags;
	int result = find_tlv(header, size, TRUEPEER_TLV_SSL, &tlv);

	if (result != 1)
		return result;
	if (!tp::read_ssl(tlv.value, tlv.length, flags, verification))
		return TRUEPEER_ERROR_INVALID;
	if (client)
		*client = flags;
	if (verify)
		*verify = verification;
	return 1;
}

/* Finds the first TLV of the subtype that is known. Returns 1, 0 or INVALID. */
static int find_cloud(const void *header, size_t size, uint8_t number, truepeer_tlv *tlv)
{
	size_t position = 0;
	int result;

	if (size == 0)
		return 0;
	while ((result = truepeer_next_tlv(header, size, &position, tlv)) == 1) {
		if (tlv->type != number)
			continue;
		if (tlv->length == 0)
			return TRUEPEER_ERROR_INVALID;
		if (tlv->value[0] == tp::cloud_subtype)
			return 1;
	}
	return result;
}

TP_EXPORT int truepeer_tlv_aws_vpc_endpoint_id(const void *header, size_t size, truepeer_tlv *value)
{
	truepeer_tlv tlv;

	if (!value)
		return TRUEPEER_ERROR_INVALID;
	int result = find_cloud(header, size, TRUEPEER_TLV_AWS, &tlv);
	if (result != 1)
		return result;
	if (tlv.length == 1)
		return TRUEPEER_ERROR_INVALID;
	*value = { tlv.type, 0, (uint16_t)(tlv.length - 1), tlv.value + 1 };
	return 1;
}

TP_EXPORT int truepeer_tlv_azure_link_id(const void *header, size_t size, uint32_t *link_id)
{
	truepeer_tlv tlv;

	if (!link_id)
		return TRUEPEER_ERROR_INVALID;
	int result = find_cloud(header, size, TRUEPEER_TLV_AZURE, &tlv);
	if (result != 1)
		return result;
	return tp::read_azure_link_id(tlv.value, tlv.length, *link_id) ? 1 : TRUEPEER_ERROR_INVALID;
}

TP_EXPORT int truepeer_tlv_gcp_psc_connection_id(const void *header, size_t size,
						 uint64_t *connection_id)
{
	truepeer_tlv tlv;

	if (!connection_id)
		return TRUEPEER_ERROR_INVALID;
	int result = find_tlv(header, size, TRUEPEER_TLV_GCP, &tlv);
	if (result != 1)
		return result;
	return tp::read_gcp_psc_connection_id(tlv.value, tlv.length, *connection_id) ?
		       1 :
		       TRUEPEER_ERROR_INVALID;
}
