// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer: what explains TLVs to people (userspace/cli/tlv.cpp) and what steps through
 * them for programs (libtruepeer), on headers that the parser accepts, and the latter on any bytes.
 */
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <truepeer/truepeer.h>

#include "bpf/parser/proxy_header.h"
#include "cli/tlv.h"

using Bytes = std::vector<std::uint8_t>;

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	std::fprintf(stderr, "%s\n", what);
	std::abort();
}

/* How many there are; negative: not well-formed. */
static int count(const Bytes &header, bool inner)
{
	std::size_t position = 0, total = 0;
	truepeer_tlv tlv, sub;
	int result;

	while ((result = truepeer_next_tlv(header.data(), header.size(), &position, &tlv)) == 1) {
		std::size_t in = 0;

		total++;
		for (std::size_t i = 0; i < tlv.length; i++) /* readable */
			total += tlv.value[i] & 0;
		if (!inner || tlv.type != TRUEPEER_TLV_SSL)
			continue;
		while ((result = truepeer_next_ssl_tlv(&tlv, &in, &sub)) == 1)
			total++;
		if (result < 0)
			return result;
	}
	return result < 0 ? result : static_cast<int>(total);
}

static int count(const tp::Json &tlvs, bool inner)
{
	int total = 0;

	for (const tp::Json &tlv : tlvs)
		total += 1 + (inner && tlv.contains("tlvs") ? count(tlv["tlvs"], inner) : 0);
	return total;
}

/* The first TLV of a type in what `next` steps through: 1, 0 or an error. */
template <typename Next> static int first(Next next, int type, truepeer_tlv &tlv)
{
	std::size_t position = 0;
	int result;

	do
		result = next(&position, &tlv);
	while (result == 1 && tlv.type != type);
	return result;
}

using Get = int (*)(const void *, std::size_t, truepeer_tlv *);
struct Accessor {
	int type;
	std::size_t most;
	Get get;
};

static const Accessor accessors[] = {
	{ 0x01, 65535, truepeer_tlv_alpn },
	{ 0x02, 65535, truepeer_tlv_authority },
	{ 0x04, 65535, truepeer_tlv_noop },
	{ 0x05, 128, truepeer_tlv_unique_id },
	{ 0x30, 65535, truepeer_tlv_netns },
	{ 0x21, 65535, truepeer_tlv_ssl_version },
	{ 0x22, 65535, truepeer_tlv_ssl_cn },
	{ 0x23, 65535, truepeer_tlv_ssl_cipher },
	{ 0x24, 65535, truepeer_tlv_ssl_sig_alg },
	{ 0x25, 65535, truepeer_tlv_ssl_key_alg },
	{ 0x26, 65535, truepeer_tlv_ssl_group },
	{ 0x27, 65535, truepeer_tlv_ssl_sig_scheme },
	{ 0x28, 65535, truepeer_tlv_ssl_client_cert },
};

/* Each accessor has the first value of its type, or the error of the way there. */
static void check_accessors(const Bytes &header)
{
	auto outer = [&](std::size_t *position, truepeer_tlv *tlv) {
		return truepeer_next_tlv(header.data(), header.size(), position, tlv);
	};
	std::uint64_t connection_id;
	std::uint32_t number;
	std::uint8_t client;
	truepeer_tlv tlv, got;

	for (const Accessor &a : accessors) {
		bool in_ssl = a.type > TRUEPEER_TLV_SSL && a.type < TRUEPEER_TLV_NETNS;
		int result =
			header.empty() ? 0 : first(outer, in_ssl ? TRUEPEER_TLV_SSL : a.type, tlv);

		if (result == 1 && in_ssl) {
			truepeer_tlv ssl = tlv;

			result = first(
				[&](auto *position, auto *sub) {
					return truepeer_next_ssl_tlv(&ssl, position, sub);
				},
				a.type, tlv);
		}
		if (result == 1 && tlv.length > a.most)
			result = TRUEPEER_ERROR_INVALID;
		expect(a.get(header.data(), header.size(), &got) == result, "another result");
		expect(result != 1 || (got.value == tlv.value && got.length == tlv.length),
		       "another value");
	}
	truepeer_tlv_crc32c(header.data(), header.size(), &number);
	truepeer_tlv_ssl(header.data(), header.size(), &client, &number);
	truepeer_tlv_azure_link_id(header.data(), header.size(), &number);
	truepeer_tlv_gcp_psc_connection_id(header.data(), header.size(), &connection_id);
	if (truepeer_tlv_aws_vpc_endpoint_id(header.data(), header.size(), &got) == 1)
		expect(got.length > 0 && got.value > header.data() &&
			       got.value + got.length <= header.data() + header.size(),
		       "a value outside of the header");
}

/* A header whose TLVs these bytes are. */
static Bytes wrap(const std::uint8_t *data, std::size_t size)
{
	static const std::uint8_t front[] = { '\r', '\n', '\r', '\n', 0,    '\r', '\n',
					      'Q',  'U',  'I',  'T',  '\n', 0x21, 0x11 };
	Bytes header(front, front + sizeof(front));
	std::size_t length = 12 + size;

	header.push_back(static_cast<std::uint8_t>(length >> 8));
	header.push_back(static_cast<std::uint8_t>(length));
	header.insert(header.end(), 12, 7);
	header.insert(header.end(), data, data + size);
	return header;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	if (size > 4068)
		return 0;
	count(Bytes(data, data + size), true); /* bytes that nobody has looked at */
	check_accessors(Bytes(data, data + size));
	Bytes header = wrap(data, size);
	check_accessors(header);
	tp_parser parser;

	tp_parse(&parser, header.data(), static_cast<__u32>(header.size()));
	if (parser.header.verdict != TP_ACCEPT) {
		/* only the checksum may be what is wrong then */
		expect(parser.header.reason == TP_OUT_BAD_CRC ||
			       parser.header.reason == TP_OUT_BAD_TLV,
		       "refused for another reason");
		return 0;
	}
	if (!parser.header.address_end) {
		expect(size == 0, "no TLVs found");
		return 0;
	}
	tp::Json tlvs = tp::explain_tlvs(tp::Bytes(header).subspan(parser.header.address_end));
	expect(!tlvs.dump().empty(), "nothing said"); /* throws where text is not UTF-8 */
	for (bool inner : { false, true })
		expect(count(tlvs, inner) == count(header, inner), "another number of TLVs");
	expect(tp::tlv_lines(tlvs).size() == static_cast<std::size_t>(count(tlvs, true)),
	       "another number of lines");
	return 0;
}
