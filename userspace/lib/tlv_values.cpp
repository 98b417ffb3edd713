// SPDX-License-Identifier: BSD-2-Clause
/* The value of each type of TLV. */
#include "lib/handle.h"
#include "lib/tlv_types.h"

using tp::TlvType;

/*
 * Goes from TLV to TLV by `next` until `look` returns another number than 0. Returns that number, 0
 * at the end, or INVALID.
 */
template <typename Next, typename Look>
static int find_first(Next next, Look look, truepeer_tlv *tlv)
{
	size_t position = 0;
	int result;

	while ((result = next(&position, tlv)) == 1)
		if (int found = look(*tlv))
			return found;
	return result;
}

template <typename Look>
static int find_in_header(const void *header, size_t size, Look look, truepeer_tlv *tlv)
{
	auto next = [=](size_t *position, truepeer_tlv *one) {
		return truepeer_next_tlv(header, size, position, one);
	};

	return size ? find_first(next, look, tlv) : 0;
}

/* Finds the first TLV of a type. Returns 1, 0 or INVALID. */
static int find_tlv(const void *header, size_t size, uint8_t number, truepeer_tlv *tlv)
{
	return find_in_header(
		header, size, [=](const truepeer_tlv &one) { return one.type == number; }, tlv);
}

static int find_in_ssl(const truepeer_tlv &ssl, uint8_t number, truepeer_tlv *tlv)
{
	auto next = [&](size_t *position, truepeer_tlv *one) {
		return truepeer_next_ssl_tlv(&ssl, position, one);
	};

	return find_first(next, [=](const truepeer_tlv &one) { return one.type == number; }, tlv);
}

/* Finds the first TLV of the subtype that is known. Returns 1, 0 or INVALID. */
static int find_cloud(const void *header, size_t size, uint8_t number, truepeer_tlv *tlv)
{
	auto look = [=](const truepeer_tlv &one) -> int {
		if (one.type != number)
			return 0;
		if (one.length == 0)
			return TRUEPEER_ERROR_INVALID;
		return one.value[0] == tp::cloud_subtype;
	};

	return find_in_header(header, size, look, tlv);
}

/* Gets the number that the first TLV of a type says, which `find` finds and `read` reads. */
template <typename Number>
static int get_number(const void *header, size_t size, uint8_t type, decltype(find_tlv) find,
		      bool (*read)(const uint8_t *, size_t, Number &), Number *number)
{
	truepeer_tlv tlv;

	if (!number)
		return TRUEPEER_ERROR_INVALID;
	int result = find(header, size, type, &tlv);
	if (result != 1)
		return result;
	return read(tlv.value, tlv.length, *number) ? 1 : TRUEPEER_ERROR_INVALID;
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
	return get_number(header, size, TRUEPEER_TLV_CRC32C, find_tlv, tp::read_crc32c, checksum);
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
	return get_number(header, size, TRUEPEER_TLV_AZURE, find_cloud, tp::read_azure_link_id,
			  link_id);
}

TP_EXPORT int truepeer_tlv_gcp_psc_connection_id(const void *header, size_t size,
						 uint64_t *connection_id)
{
	return get_number(header, size, TRUEPEER_TLV_GCP, find_tlv, tp::read_gcp_psc_connection_id,
			  connection_id);
}
