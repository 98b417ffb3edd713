/* SPDX-License-Identifier: BSD-2-Clause */
/* The base class of the charts: an SVG file that is written line by line. */
#ifndef TP_BENCH_SVG_H
#define TP_BENCH_SVG_H

#include <string>
#include <utility>

#include <fmt/core.h>

namespace bench
{

class Svg
{
protected:
	template <typename... Args> void out(fmt::format_string<Args...> format, Args &&...args)
	{
		body_ += fmt::format(format, std::forward<Args>(args)...) + "\n";
	}

	/* `style` is the text's class. */
	void text(double x, double y, const char *style, const std::string &content)
	{
		out(R"(<text x="{:.1f}" y="{:.1f}" class="{}">{}</text>)", x, y, style,
		    escaped(content));
	}

	std::string body_;

private:
	static std::string escaped(const std::string &text)
	{
		std::string escaped;

		for (char c : text)
			escaped += c == '&' ? "&amp;" : c == '<' ? "&lt;" : std::string(1, c);
		return escaped;
	}
};

} // namespace bench

#endif
