// SPDX-License-Identifier: BSD-2-Clause
/* The TLVs of a header. */
#include "lib/handle.h"
#include "lib/tlv_types.h"

#include <cstring>

static size_t be16(const uint8_t *bytes)
{
	return (size_t)bytes[0] << 8 | bytes[1];
}

/* Reads the TLV at *position, among those that end at `end`. Returns 0 if there is none. */
static int next_tlv(const uint8_t *bytes, size_t end, size_t *position, truepeer_tlv *tlv)
{
	tp::Tlv found;
	int result = tp::next_tlv(bytes, end, *position, found);

	if (result < 0)
		return TRUEPEER_ERROR_INVALID;
	if (result)
		*tlv = { found.number, 0, found.length, found.value };
	return result;
}

TP_EXPORT int truepeer_next_tlv(const void *header, size_t size, size_t *position,
				truepeer_tlv *tlv)
{
	static const size_t blocks[] = { 0, 12, 36, 216 }; /* AF_UNSPEC, INET, INET6, UNIX */
	static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
	auto *bytes = (const uint8_t *)header;

	if (!header || !position || !tlv || size < 16 || memcmp(bytes, signature, 12) != 0 ||
	    bytes[12] >> 4 != 2 || bytes[13] >> 4 > 3 || 16 + be16(bytes + 14) > size)
		return TRUEPEER_ERROR_INVALID;
	size_t first = 16 + blocks[bytes[13] >> 4];
	if (*position == 0)
		*position = first;
	/* LOCAL headers, and headers without addresses, are not looked into */
	if ((bytes[12] & 15) == 0 || bytes[13] >> 4 == 0)
		return 0;
	return *position < first ? TRUEPEER_ERROR_INVALID :
				   next_tlv(bytes, 16 + be16(bytes + 14), position, tlv);
}

TP_EXPORT int truepeer_next_ssl_tlv(const truepeer_tlv *ssl, size_t *position, truepeer_tlv *tlv)
{
	static constexpr size_t first = tp::ssl_fixed;

	if (!ssl || !position || !tlv || ssl->type != TRUEPEER_TLV_SSL || !ssl->value ||
	    ssl->length < first)
		return TRUEPEER_ERROR_INVALID;
	if (*position == 0)
		*position = first;
	return *position < first ? TRUEPEER_ERROR_INVALID :
				   next_tlv(ssl->value, ssl->length, position, tlv);
}
