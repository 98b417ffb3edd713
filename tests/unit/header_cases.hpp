// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of headers (tests/data/header-cases.tsv) and the parser's results
 * that follow from it: one table for every test that judges a header.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "bpf/abi.h"

namespace test
{

using Bytes = std::vector<std::uint8_t>;
using ByteSpan = std::span<const std::uint8_t>;

struct HeaderCase {
	int id = 0;
	std::string outcome;
	std::string detail;
	Bytes bytes;

	bool accepted() const { return outcome == "ACCEPT" || outcome == "ACCEPT-REAL"; }
};

constexpr std::size_t header_case_count = 189;

// In the table's order; empty if the table cannot be read.
const std::vector<HeaderCase> &header_cases();

// What the table says about the case, as the parser says it.
struct Expectation {
	tp_header header{};
	bool complete = false;   // every byte of header counts, not only verdict, reason and bytes
	std::string origin_text; // as the table has it; of a UNIX path the start
	std::string destination_text;
};

// Throws std::runtime_error where the table's wording is not understood.
Expectation expectation(const HeaderCase &c);

// An AF_UNIX path in the header's own bytes.
std::string unix_path(const HeaderCase &c, bool destination);

std::string describe(const tp_header &header);

// Name of a case in the test's name: case_154_REJECT.
std::string case_name(const HeaderCase &c);

void PrintTo(const HeaderCase &c, std::ostream *out);

} // namespace test

bool operator==(const tp_header &a, const tp_header &b);
void PrintTo(const tp_header &header, std::ostream *out);
