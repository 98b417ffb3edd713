// SPDX-License-Identifier: BSD-2-Clause
/*
 * fmt's compiled part. Debian's libfmt is a shared library only, and the command has to run without
 * it. With FMT_HEADER_ONLY every source file would compile this part again.
 */
#include <fmt/format-inl.h>

namespace fmt
{
inline namespace v9
{
namespace detail
{

template auto dragonbox::to_decimal(float) noexcept -> dragonbox::decimal_fp<float>;
template auto dragonbox::to_decimal(double) noexcept -> dragonbox::decimal_fp<double>;
template locale_ref::locale_ref(const std::locale &);
template auto locale_ref::get<std::locale>() const -> std::locale;
template auto thousands_sep_impl(locale_ref) -> thousands_sep_result<char>;
template auto decimal_point_impl(locale_ref) -> char;
template void buffer<char>::append(const char *, const char *);
template void vformat_to(buffer<char> &, string_view, basic_format_args<FMT_BUFFER_CONTEXT(char)>,
			 locale_ref);

} // namespace detail
} // namespace v9
} // namespace fmt
