// SPDX-License-Identifier: BSD-2-Clause
#include "parser_checks.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

#include <gtest/gtest.h>

#include "bpf/parser/proxy_header.h"

namespace test
{

namespace
{

// Memory whose end is the end of what may be read: a parser that looks further crashes.
class GuardedBuffer
{
public:
	GuardedBuffer()
	{
		auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
		void *p = mmap(nullptr, capacity + page, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			throw std::runtime_error("map guarded buffer: out of memory");
		end_ = static_cast<std::uint8_t *>(p) + capacity;
		if (mprotect(end_, page, PROT_NONE) != 0)
			throw std::runtime_error("protect guarded buffer: failed");
	}

	const std::uint8_t *place(ByteSpan bytes)
	{
		if (bytes.size() > capacity)
			throw std::runtime_error("fill guarded buffer: too long");
		std::uint8_t *start = end_ - bytes.size();
		std::copy(bytes.begin(), bytes.end(), start);
		return start;
	}

private:
	static constexpr std::size_t capacity = 131072;
	std::uint8_t *end_;
};

} // namespace

tp_header parse_natively(ByteSpan bytes)
{
	static GuardedBuffer buffer;
	tp_parser parser;

	std::memset(&parser, 0xa5, sizeof(parser)); // nothing may be taken from what was there
	tp_parse(&parser, buffer.place(bytes), static_cast<__u32>(bytes.size()));
	return parser.header;
}

void check_case(const HeaderCase &c, const tp_header &got)
{
	Expectation want = expectation(c);

	EXPECT_EQ(got.verdict, want.header.verdict) << describe(got);
	EXPECT_EQ(got.reason, want.header.reason) << describe(got);
	if (want.complete) {
		EXPECT_EQ(got, want.header);
	}
	if (c.outcome == "WAIT") {
		EXPECT_EQ(got.bytes, want.header.bytes) << describe(got);
	}
	if (want.header.origin.family == TP_FAMILY_UNIX) {
		EXPECT_EQ(unix_path(c, false), want.origin_text);
		EXPECT_EQ(unix_path(c, true), want.destination_text);
	}
}

void check_prefixes(const HeaderCase &c, const Parse &parse)
{
	const ByteSpan bytes(c.bytes);
	const tp_header whole = parse(bytes);

	ASSERT_TRUE(whole.verdict == TP_ACCEPT || whole.verdict == TP_ACCEPT_REAL);
	for (std::size_t size = 0; size < bytes.size(); size++) {
		tp_header got = parse(bytes.first(size));

		if (size >= whole.bytes) {
			ASSERT_EQ(got, whole) << "first " << size << " bytes";
			continue;
		}
		ASSERT_EQ(got.verdict, TP_WAIT) << "first " << size << " bytes: " << describe(got);
		__u32 needed = whole.version == 2 && size >= 16 ? whole.bytes : 0;
		ASSERT_EQ(got.bytes, needed) << "first " << size << " bytes";
	}
}

void check_no_prefix_is_accepted(const HeaderCase &c, const Parse &parse)
{
	const ByteSpan bytes(c.bytes);
	const tp_header whole = parse(bytes);
	bool refused = false;

	for (std::size_t size = 0; size < bytes.size(); size++) {
		tp_header got = parse(bytes.first(size));

		if (got.verdict == TP_WAIT) {
			ASSERT_FALSE(refused) << size << " bytes: waits after a refusal";
			continue;
		}
		refused = true;
		ASSERT_EQ(got.verdict, whole.verdict) << "first " << size << " bytes";
		ASSERT_EQ(got.reason, whole.reason) << "first " << size << " bytes";
	}
}

} // namespace test
