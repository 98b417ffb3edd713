// SPDX-License-Identifier: BSD-2-Clause
/*
 * fmt's compiled part. Debian's libfmt is a shared library only, and the command has to run without
 * it. With FMT_HEADER_ONLY every source file would compile this part again, so only this one does.
 * The functions that the other files call are named here, so that their code is here.
 */
#define FMT_HEADER_ONLY
#include <fmt/format.h>

[[gnu::used]] static std::string (*const format_text)(fmt::string_view,
						      fmt::format_args) = fmt::vformat;
[[gnu::used]] static void (*const print_text)(fmt::string_view, fmt::format_args) = fmt::vprint;
