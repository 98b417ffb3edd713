// SPDX-License-Identifier: BSD-2-Clause
#include "agent/load/load_log.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string_view>

namespace tp
{

static std::string libbpf_output;

static int keep_output(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char *text = nullptr;

	if (level == LIBBPF_DEBUG)
		return 0;
	int length = vasprintf(&text, format, arguments);
	if (length > 0)
		libbpf_output.append(text, (size_t)length);
	free(text);
	return length;
}

void begin_load_log()
{
	libbpf_output.clear();
	libbpf_set_print(keep_output);
}

static bool whole_log;

void want_whole_load_log()
{
	whole_log = true;
}

bool whole_load_log_is_wanted()
{
	return whole_log;
}

std::string end_of_load_log()
{
	static constexpr size_t enough = 2000;

	if (whole_log || libbpf_output.size() <= enough)
		return libbpf_output;
	size_t line = libbpf_output.find('\n', libbpf_output.size() - enough);
	return "[...]" + libbpf_output.substr(line == std::string::npos ? 0 : line);
}

std::string refused_program()
{
	static constexpr std::string_view before = "prog '", behind = "': BPF program load failed";
	size_t end = libbpf_output.find(behind);
	size_t start = end == std::string::npos ? end : libbpf_output.rfind(before, end);

	if (start == std::string::npos)
		return {};
	start += before.size();
	return libbpf_output.substr(start, end - start);
}

/* The verifier's last line before the end of its log and its statistics. */
std::string kernel_words(const Error &error)
{
	std::istringstream lines(libbpf_output);
	std::string last;
	bool inside = false;

	for (std::string line; std::getline(lines, line);) {
		if (line.find("-- BEGIN PROG LOAD LOG --") != std::string::npos)
			inside = true;
		else if (line.find("-- END PROG LOAD LOG --") != std::string::npos)
			inside = false;
		else if (inside && !line.empty() && !line.starts_with("processed ") &&
			 !line.starts_with("verification time ") &&
			 !line.starts_with("stack depth "))
			last = line;
	}
	return last.empty() ? error.reason : error.reason + ": " + last;
}

} // namespace tp
