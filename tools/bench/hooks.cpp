// SPDX-License-Identifier: BSD-2-Clause
#include "hooks.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include <fmt/core.h>

namespace bench
{

namespace
{

/* This value came with Linux 6.6; libbpf 1.1 does not know it and passes it through. */
constexpr auto tcx_ingress = (bpf_attach_type)46;
constexpr int tcx_next = -1;

/* Attaches a program that does nothing but return `verdict`. */
Result<Fd> attach(bpf_prog_type type, bpf_attach_type where, int verdict, int target)
{
	const bpf_insn code[] = {
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, verdict },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options);

	if (type != BPF_PROG_TYPE_SCHED_CLS)
		options.expected_attach_type = where;
	Fd program(bpf_prog_load(type, "tp_nothing", "BSD", code, std::size(code), &options));
	if (!program)
		return system_error("load", "program that does nothing");
	Fd link(bpf_link_create(program.get(), target, where, nullptr));
	if (!link)
		return system_error("attach", "program that does nothing");
	return link;
}

Result<std::vector<Fd>> attach_all(const Place &place, const Ground &ground)
{
	Fd cgroup(open(place.server_cgroup().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	std::vector<Fd> links;

	if (!cgroup)
		return system_error("open", place.server_cgroup());
	if (setns(ground.server(), CLONE_NEWNET))
		return system_error("enter", "network namespace");
	const struct {
		bpf_prog_type type;
		bpf_attach_type where;
		int verdict, target;
	} points[] = {
		{ BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, 1, cgroup.get() },
		{ BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, 1, cgroup.get() },
		{ BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETPEERNAME, 1, cgroup.get() },
		{ BPF_PROG_TYPE_SCHED_CLS, tcx_ingress, tcx_next,
		  (int)if_nametoindex(ground.interface()) },
	};
	for (const auto &point : points) {
		Result<Fd> link = attach(point.type, point.where, point.verdict, point.target);

		if (!link)
			return link.error();
		links.push_back(std::move(*link));
	}
	return links;
}

} // namespace

Result<Child> start_hooks(const Place &place, const Ground &ground, const Fd &output)
{
	return Child::start([&] {
		Result<std::vector<Fd>> links = attach_all(place, ground);
		std::string text = links ? "ready\n" : links.error().text() + "\n";

		(void)!write(output.get(), text.data(), text.size());
		if (links)
			pause();
	});
}

} // namespace bench
