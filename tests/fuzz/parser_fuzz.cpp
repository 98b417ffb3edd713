// SPDX-License-Identifier: BSD-2-Clause
/* libFuzzer: the header parser, against the reference and against itself on other cuts. */
#include <cstdio>
#include <cstdlib>

#include "bpf/parser/proxy_header.h"
#include "tests/unit/reference_parser.hpp"

using test::Bytes;
using test::ByteSpan;

static tp_header parse(ByteSpan bytes)
{
	tp_parser parser;

	tp_parse(&parser, bytes.data(), static_cast<__u32>(bytes.size()));
	return parser.header;
}

static void expect(bool holds, const char *what, ByteSpan bytes)
{
	if (holds)
		return;
	std::fprintf(stderr, "%s; input: ", what);
	for (std::uint8_t byte : bytes)
		std::fprintf(stderr, "%02x", byte);
	std::fprintf(stderr, "\n");
	std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	ByteSpan bytes(data, size);
	tp_header whole = parse(bytes);
	bool accepted = whole.verdict == TP_ACCEPT || whole.verdict == TP_ACCEPT_REAL;
	std::string wrong = test::contradiction(bytes, whole);

	expect(wrong.empty(), wrong.c_str(), bytes);
	expect(parse(bytes) == whole, "the same bytes, another result", bytes);
	if (accepted) {
		expect(whole.bytes <= size, "longer than what is there", bytes);
		expect(whole.version == 2 || whole.bytes <= TP_MAX_V1, "a longer line than allowed",
		       bytes);
		expect(parse(bytes.first(whole.bytes)) == whole, "what follows matters", bytes);
	}
	/* every start of it: waits, or has the whole's verdict already */
	for (std::size_t n = 0; n < size && n < 256; n++) {
		tp_header start = parse(bytes.first(n));

		expect(start.verdict == TP_WAIT || start == whole, "a start was judged otherwise",
		       bytes);
		if (start.verdict == TP_WAIT && start.bytes && accepted)
			expect(start.bytes == whole.bytes, "asked for another length", bytes);
	}
	if (whole.verdict != TP_WAIT) {
		Bytes longer(bytes.begin(), bytes.end());

		longer.insert(longer.end(), { 0xff, '\r', '\n', 0 });
		expect(parse(longer) == whole, "what follows matters", bytes);
	}
	return 0;
}
