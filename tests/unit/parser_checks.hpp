// SPDX-License-Identifier: BSD-2-Clause
/*
 * What must hold for every copy of the parser: the native one and the kernel's.
 * A copy is anything that turns bytes into a tp_header.
 */
#pragma once

#include <functional>

#include "header_cases.hpp"

namespace test
{

using Parse = std::function<tp_header(ByteSpan)>;

// The native copy; the bytes end at a page that cannot be read.
tp_header parse_natively(ByteSpan bytes);

// The table's verdict, reason, addresses, length.
void check_case(const HeaderCase &c, const tp_header &got);

// The start of an accepted header waits, and what follows it changes nothing.
void check_prefixes(const HeaderCase &c, const Parse &parse);

// No start of what is not accepted is; a refusal stays the same whatever follows.
void check_no_prefix_is_accepted(const HeaderCase &c, const Parse &parse);

} // namespace test
