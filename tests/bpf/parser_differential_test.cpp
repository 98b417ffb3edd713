// SPDX-License-Identifier: BSD-2-Clause
/*
 * Generated buffers through three parsers: the native one, the kernel's, and the reference.
 * TP_DIFFERENTIAL_CASES says how many, TP_DIFFERENTIAL_SEED repeats a run.
 */
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/parser/proxy_header.h"
#include "tests/unit/reference_parser.hpp"

#include "parser_batch.skel.h"

namespace
{

using test::Bytes;
using test::ByteSpan;

class Batch
{
public:
	Batch() : skeleton_(parser_batch__open_and_load()) {}
	~Batch() { parser_batch__destroy(skeleton_); }

	bool loaded() const { return skeleton_ != nullptr; }
	static constexpr std::size_t size = 256;
	static constexpr std::size_t capacity = 1024;

	void put(std::size_t i, const Bytes &bytes)
	{
		static_assert(sizeof(parser_batch::parser_batch__bss::inputs) == size * capacity);
		skeleton_->bss->lengths[i] = static_cast<__u32>(bytes.size());
		std::copy(bytes.begin(), bytes.end(), skeleton_->bss->inputs[i]);
	}

	bool run()
	{
		std::uint8_t packet[64] = {};
		LIBBPF_OPTS(bpf_test_run_opts, options);

		std::memset(skeleton_->bss->results, 0xa5, sizeof(skeleton_->bss->results));
		options.data_in = packet;
		options.data_size_in = sizeof(packet);
		return bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.parse_batch),
					      &options) == 0;
	}

	tp_header result(std::size_t i) const
	{
		tp_header header;

		std::memcpy(&header, &skeleton_->bss->results[i], sizeof(header));
		return header;
	}

private:
	parser_batch *skeleton_;
};

// Headers of every kind, and what becomes of them when something goes wrong.
class Generator
{
public:
	explicit Generator(std::uint64_t seed) : random_(seed)
	{
		for (const test::HeaderCase &c : test::header_cases())
			if (c.bytes.size() <= Batch::capacity)
				rows_.push_back(&c.bytes);
	}

	Bytes next()
	{
		Bytes bytes =
			below(5) ? (below(2) ? line() : binary()) : *rows_[below(rows_.size())];
		unsigned what = below(10);

		if (what < 4)
			for (unsigned n = 1 + below(3); n > 0 && !bytes.empty(); n--)
				mutate(bytes);
		else if (what < 6)
			bytes.resize(below(bytes.size() + 1));
		if (below(3) == 0)
			append(bytes, random_bytes(below(40)));
		bytes.resize(std::min(bytes.size(), Batch::capacity));
		return bytes;
	}

private:
	std::size_t below(std::size_t n) { return random_() % n; }

	Bytes random_bytes(std::size_t n)
	{
		Bytes bytes(n);

		for (std::uint8_t &byte : bytes)
			byte = static_cast<std::uint8_t>(random_());
		return bytes;
	}

	static void append(Bytes &bytes, const Bytes &more)
	{
		bytes.insert(bytes.end(), more.begin(), more.end());
	}

	std::string ipv4()
	{
		std::string text;

		for (int i = 0; i < 4; i++)
			text += (i ? "." : "") +
				std::to_string(below(20) ? below(256) : below(300));
		return text;
	}

	std::string ipv6()
	{
		std::string text;
		std::size_t groups = 1 + below(8), gap = below(10);
		char group[8];

		for (std::size_t i = 0; i < groups; i++) {
			snprintf(group, sizeof(group), below(4) ? "%x" : "%04X",
				 unsigned(below(65536)));
			text += i == gap ? "::" : i ? ":" : "";
			text += group;
		}
		if (gap >= groups && groups < 8)
			text = below(2) ? text + "::" : "::" + text;
		return below(6) == 0 ? text + (below(2) ? ":" : "") + ipv4() : text;
	}

	std::string port() { return std::to_string(below(20) ? below(65536) : below(80000)); }

	Bytes line()
	{
		bool six = below(2);
		std::string text = "PROXY ";

		if (below(8) == 0)
			text += below(2) ? "UNKNOWN" : "UNKNOWN " + ipv6() + " x";
		else
			text += (six ? "TCP6 " : "TCP4 ") + (six ? ipv6() : ipv4()) + " " +
				(six ? ipv6() : ipv4()) + " " + port() + " " + port();
		text += "\r\n";
		return Bytes(text.begin(), text.end());
	}

	Bytes tlv(std::uint8_t type, const Bytes &value)
	{
		Bytes bytes = { type, static_cast<std::uint8_t>(value.size() >> 8),
				static_cast<std::uint8_t>(value.size()) };

		append(bytes, value);
		return bytes;
	}

	Bytes tlvs()
	{
		static const std::uint8_t types[] = { 1, 2, 4, 5, 0x30, 0xe0, 0xea, 0xee, 0xf0, 3 };
		Bytes bytes;

		for (unsigned n = below(4); n > 0; n--) {
			if (below(4)) {
				append(bytes,
				       tlv(types[below(std::size(types))],
					   random_bytes(below(12) ? below(30) : 120 + below(16))));
				continue;
			}
			Bytes ssl = random_bytes(5);
			for (unsigned m = below(3); m > 0; m--)
				append(ssl, tlv(static_cast<std::uint8_t>(0x21 + below(8)),
						random_bytes(below(20))));
			append(bytes, tlv(0x20, ssl));
		}
		return bytes;
	}

	// With a checksum half of the time, which is right unless something is changed later.
	Bytes binary()
	{
		static const std::size_t blocks[] = { 0, 12, 36, 216 };
		Bytes bytes = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };
		std::size_t family = below(4), crc = 0;

		bytes.push_back(static_cast<std::uint8_t>(0x20 | (below(6) ? 1 : 0)));
		bytes.push_back(static_cast<std::uint8_t>(family << 4 | below(3)));
		append(bytes, { 0, 0 });
		append(bytes, random_bytes(blocks[family]));
		append(bytes, tlvs());
		if (below(2)) {
			append(bytes, tlv(3, Bytes(4)));
			crc = bytes.size() - 4;
		}
		append(bytes, below(3) ? Bytes() : tlvs());
		bytes[14] = static_cast<std::uint8_t>((bytes.size() - 16) >> 8);
		bytes[15] = static_cast<std::uint8_t>(bytes.size() - 16);
		if (crc)
			set_checksum(bytes, crc);
		return bytes;
	}

	static void set_checksum(Bytes &bytes, std::size_t at)
	{
		std::uint32_t crc = 0xffffffff;

		for (std::uint8_t byte : bytes)
			crc = tp_crc32c_byte(crc, byte);
		for (int i = 0; i < 4; i++)
			bytes[at + i] = static_cast<std::uint8_t>(~crc >> (24 - 8 * i));
	}

	void mutate(Bytes &bytes)
	{
		auto at = bytes.begin() + static_cast<std::ptrdiff_t>(
						  below(std::min<std::size_t>(bytes.size(), 120)));

		switch (below(5)) {
		case 0:
			*at = static_cast<std::uint8_t>(random_());
			break;
		case 1:
			*at ^= static_cast<std::uint8_t>(1 << below(8));
			break;
		case 2:
			bytes.erase(at);
			break;
		case 3:
			bytes.insert(at, " .:09\r\nf"[below(8)]);
			break;
		default:
			bytes.insert(at, std::uint8_t(*at));
		}
	}

	std::mt19937_64 random_;
	std::vector<const Bytes *> rows_;
};

std::uint64_t from_environment(const char *name, std::uint64_t fallback)
{
	const char *text = std::getenv(name);

	return text ? std::strtoull(text, nullptr, 10) : fallback;
}

tp_header parse_natively(const Bytes &bytes)
{
	tp_parser parser;

	tp_parse(&parser, bytes.data(), static_cast<__u32>(bytes.size()));
	return parser.header;
}

std::string hex(const Bytes &bytes)
{
	std::string text;
	char two[3];

	for (std::uint8_t byte : bytes) {
		snprintf(two, sizeof(two), "%02x", byte);
		text += two;
	}
	return text;
}

TEST(ParserDifferential, NativeKernelAndReferenceAgree)
{
	std::uint64_t cases = from_environment("TP_DIFFERENTIAL_CASES", 1'000'000);
	std::uint64_t seed = from_environment("TP_DIFFERENTIAL_SEED", std::random_device()());
	unsigned long verdicts[5] = {}, reasons[TP_OUT_MAX] = {};
	std::vector<Bytes> inputs(Batch::size);
	Generator generator(seed);
	Batch batch;

	std::printf("%llu cases, TP_DIFFERENTIAL_SEED=%llu\n", (unsigned long long)cases,
		    (unsigned long long)seed);
	ASSERT_TRUE(batch.loaded());
	for (std::uint64_t done = 0; done < cases; done += Batch::size) {
		for (std::size_t i = 0; i < Batch::size; i++) {
			inputs[i] = generator.next();
			batch.put(i, inputs[i]);
		}
		ASSERT_TRUE(batch.run());
		for (std::size_t i = 0; i < Batch::size; i++) {
			tp_header native = parse_natively(inputs[i]);

			ASSERT_EQ(batch.result(i), native) << hex(inputs[i]);
			ASSERT_EQ(test::contradiction(inputs[i], native), "") << hex(inputs[i]);
			verdicts[native.verdict]++;
			reasons[native.reason]++;
		}
	}
	for (unsigned long count : verdicts) // or the generator does not reach the parser's depth
		EXPECT_GT(count, cases / 200);
	for (tp_outcome reason :
	     { TP_OUT_BAD_V1, TP_OUT_BAD_V2, TP_OUT_BAD_COMMAND, TP_OUT_BAD_FAMILY,
	       TP_OUT_BAD_LENGTH, TP_OUT_BAD_TLV, TP_OUT_BAD_CRC })
		EXPECT_GT(reasons[reason], cases / 5000) << reason;
}

} // namespace
