// SPDX-License-Identifier: BSD-2-Clause
/*
 * The specification once more, written as simply as it can be: inet_pton for addresses,
 * a checksum bit by bit, recursion for TLVs.  What the parser under test is compared with.
 */
#pragma once

#include <optional>

#include "header_cases.hpp"

namespace test
{

// Nothing where a version 1 line is not whole: what it may become is not told here.
std::optional<tp_header> reference_parse(ByteSpan bytes);

// Empty, or how the parser's result contradicts the reference.
std::string contradiction(ByteSpan bytes, const tp_header &got);

} // namespace test
