// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel's copy of the parser (parser_test.bpf.c), run by BPF_PROG_TEST_RUN.
 */
#pragma once

#include <cstddef>

#include "tests/unit/header_cases.hpp"

struct parser_test;

namespace test
{

class KernelParser
{
public:
	// Loads the programs; throws std::runtime_error where the kernel refuses.
	KernelParser();
	~KernelParser();
	KernelParser(const KernelParser &) = delete;
	KernelParser &operator=(const KernelParser &) = delete;

	// Bytes handed over in the map, up to 128 KiB.
	tp_header parse(ByteSpan bytes);

	// Bytes handed over in a packet; at least 1, at most packet_max.
	tp_header parse_packet(ByteSpan bytes);
	static constexpr std::size_t packet_max = 2048;

private:
	tp_header run(int program, ByteSpan packet);

	parser_test *skeleton_;
};

} // namespace test
