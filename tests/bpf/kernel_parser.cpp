// SPDX-License-Identifier: BSD-2-Clause
#include "kernel_parser.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/parser/proxy_header.h"
#include "parser_test.skel.h"

namespace test
{

namespace
{

constexpr std::size_t ethernet_size = 14;

[[noreturn]] void fail(const std::string &what, int error)
{
	throw std::runtime_error(what + ": " + std::strerror(error));
}

} // namespace

KernelParser::KernelParser() : skeleton_(parser_test__open_and_load())
{
	if (skeleton_ == nullptr)
		fail("load program: parser_test", errno);
}

KernelParser::~KernelParser()
{
	parser_test__destroy(skeleton_);
}

tp_header KernelParser::run(int program, ByteSpan packet)
{
	tp_header result;

	// a program that does not write its result must not pass with the last one
	std::memset(&skeleton_->bss->parser, 0xa5, sizeof(skeleton_->bss->parser));
	LIBBPF_OPTS(bpf_test_run_opts, options);
	options.data_in = packet.data();
	options.data_size_in = static_cast<__u32>(packet.size());
	if (bpf_prog_test_run_opts(program, &options) != 0)
		fail("run program: parser_test", errno);
	if (options.retval != 0)
		throw std::runtime_error("run program: parser_test: packet not accepted");
	static_assert(sizeof(result) == sizeof(skeleton_->bss->parser.header));
	std::memcpy(&result, &skeleton_->bss->parser.header, sizeof(result));
	return result;
}

tp_header KernelParser::parse(ByteSpan bytes)
{
	static const std::array<std::uint8_t, 64> packet{};

	if (bytes.size() > sizeof(skeleton_->bss->input))
		throw std::runtime_error("fill input: parser_test: too long");
	// what lies behind the bytes must not matter either
	std::size_t dirty = std::min(bytes.size() + 512, sizeof(skeleton_->bss->input));
	std::memset(skeleton_->bss->input, 0xa5, dirty);
	std::copy(bytes.begin(), bytes.end(), skeleton_->bss->input);
	skeleton_->bss->input_length = static_cast<__u32>(bytes.size());
	return run(bpf_program__fd(skeleton_->progs.parse_input), packet);
}

tp_header KernelParser::parse_packet(ByteSpan bytes)
{
	Bytes packet(ethernet_size);

	if (bytes.empty() || bytes.size() > packet_max)
		throw std::runtime_error("fill packet: parser_test: length out of range");
	packet.insert(packet.end(), bytes.begin(), bytes.end());
	std::memset(skeleton_->bss->input, 0xa5, packet_max + 512);
	return run(bpf_program__fd(skeleton_->progs.parse_packet), packet);
}

} // namespace test
