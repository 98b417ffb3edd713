// SPDX-License-Identifier: BSD-2-Clause
/*
 * The running kernel takes every BPF program: it is loaded, attached, and the
 * verifier's work on it stays within tests/vm/budget.tsv.
 */
#include <gtest/gtest.h>

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>

#include "bpf/abi.h"
#include "test_cgroup.hpp"

namespace
{

const char *const objects[] = { "build/bpf/truepeer.bpf.o", "build/tests/bpf/parser_test.bpf.o" };

struct CloseObject {
	void operator()(bpf_object *object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, CloseObject>;

struct Program {
	std::string path;
	std::string name;
};

void PrintTo(const Program &program, std::ostream *out)
{
	*out << program.path << " " << program.name;
}

Object open_object(const std::string &path)
{
	return Object(bpf_object__open_file(path.c_str(), nullptr));
}

// What the objects contain; opening them needs no privilege and loads nothing.
std::vector<Program> programs()
{
	std::vector<Program> list;

	for (const char *path : objects) {
		Object object = open_object(path);
		bpf_program *program = nullptr;

		if (!object)
			continue;
		while ((program = bpf_object__next_program(object.get(), program)))
			list.push_back({ path, bpf_program__name(program) });
	}
	return list;
}

// 6.12.117-cloud -> 6012
int kernel_series(const std::string &release)
{
	int major = 0, minor = 0;

	std::sscanf(release.c_str(), "%d.%d", &major, &minor);
	return major * 1000 + minor;
}

/*
 * The budgets for the running kernel, from the newest column that is not newer
 * than it.  No value: the program is for later kernels.
 */
std::map<std::string, std::optional<unsigned>> read_budgets()
{
	std::map<std::string, std::optional<unsigned>> budgets;
	std::ifstream file("tests/vm/budget.tsv");
	std::string line, word;
	std::size_t column = 0;
	utsname kernel;

	uname(&kernel);
	std::getline(file, line);
	std::istringstream head(line);
	for (std::size_t i = 0; head >> word; i++)
		if (i > 0 && kernel_series(word) <= kernel_series(kernel.release))
			column = i;
	while (std::getline(file, line)) {
		std::istringstream row(line);
		std::string name, value;

		row >> name;
		for (std::size_t i = 0; i < column; i++)
			row >> value;
		if (value == "-")
			budgets[name] = std::nullopt;
		else if (!value.empty())
			budgets[name] = static_cast<unsigned>(std::stoul(value));
	}
	return budgets;
}

const std::map<std::string, std::optional<unsigned>> &budgets()
{
	static const auto values = read_budgets();
	return values;
}

bool for_later_kernels(const std::string &name)
{
	auto budget = budgets().find(name);

	return budget != budgets().end() && !budget->second;
}

// What libbpf has said of a load that failed, the verifier's log included.
std::string libbpf_said;

int keep_output(libbpf_print_level level, const char *format, va_list arguments)
{
	char *text = nullptr;

	if (level <= LIBBPF_WARN && vasprintf(&text, format, arguments) >= 0) {
		libbpf_said += text;
		free(text);
	}
	return 0;
}

// The end of it, where the reason is.
std::string reason()
{
	constexpr size_t shown = 3000;

	return libbpf_said.size() > shown ? libbpf_said.substr(libbpf_said.size() - shown) :
					    libbpf_said;
}

/*
 * A constant that the agent writes before it loads the programs: with the one in the file the verifier may
 * leave out whole ways of a program.
 */
void set_constant(bpf_object *object, const char *name, std::uint32_t value)
{
	const btf *types = bpf_object__btf(object);
	const btf_type *section = btf__type_by_id(
		types, (__u32)btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC));
	bpf_map *map = nullptr;

	bpf_object__for_each_map(
		map, object) if (std::string(bpf_map__name(map)).ends_with(".rodata")) break;
	for (int i = 0; map && section && i < btf_vlen(section); i++) {
		const btf_var_secinfo &constant = btf_var_secinfos(section)[i];
		const btf_type *variable = btf__type_by_id(types, constant.type);
		std::size_t size = 0;

		if (std::string(btf__name_by_offset(types, variable->name_off)) != name)
			continue;
		auto *values =
			static_cast<char *>(const_cast<void *>(bpf_map__initial_value(map, &size)));
		ASSERT_EQ(constant.size, sizeof(value)) << name;
		ASSERT_LE(constant.offset + sizeof(value), size) << name;
		std::memcpy(values + constant.offset, &value, sizeof(value));
		return;
	}
	FAIL() << "no constant in the object: " << name;
}

// The object with its programs in the kernel, loaded once; null where the kernel refuses.
bpf_object *loaded_object(const std::string &path)
{
	static std::map<std::string, Object> loaded;
	auto found = loaded.find(path);

	if (found != loaded.end())
		return found->second.get();
	Object object = open_object(path);
	bpf_program *program = nullptr;
	while (object && (program = bpf_object__next_program(object.get(), program)))
		if (for_later_kernels(bpf_program__name(program)))
			bpf_program__set_autoload(program, false);
	libbpf_set_print(keep_output);
	if (object && path == objects[0]) { // all of it: the sender engine, --original-dst
		set_constant(object.get(), "tp_namespace_count", 2);
		set_constant(object.get(), "tp_original_dst", 1);
	}
	if (object && bpf_object__load(object.get()) != 0)
		object.reset();
	return (loaded[path] = std::move(object)).get();
}

class BpfProgram : public testing::TestWithParam<Program>
{
protected:
	void SetUp() override
	{
		if (for_later_kernels(GetParam().name))
			GTEST_SKIP() << "for kernels newer than this one (tests/vm/budget.tsv)";
		object_ = loaded_object(GetParam().path);
		ASSERT_NE(object_, nullptr) << "load object: " << GetParam().path << "\n"
					    << reason();
		program_ = bpf_object__find_program_by_name(object_, GetParam().name.c_str());
		ASSERT_NE(program_, nullptr);
	}

	bpf_object *object_ = nullptr;
	bpf_program *program_ = nullptr;
};

TEST_P(BpfProgram, StaysWithinItsBudget)
{
	auto budget = budgets().find(GetParam().name);
	bpf_prog_info info{};
	__u32 size = sizeof(info);

	ASSERT_EQ(bpf_obj_get_info_by_fd(bpf_program__fd(program_), &info, &size), 0);
	ASSERT_TRUE(budget != budgets().end()) << "no budget in tests/vm/budget.tsv; the verifier "
					       << "processed " << info.verified_insns;
	std::printf("verified_insns %s %u of %u\n", GetParam().name.c_str(), info.verified_insns,
		    *budget->second);
	EXPECT_GT(info.verified_insns, 0u);
	EXPECT_LE(info.verified_insns, *budget->second);
}

TEST_P(BpfProgram, Attaches)
{
	int fd = bpf_program__fd(program_);

	switch (bpf_program__type(program_)) {
	case BPF_PROG_TYPE_SOCK_OPS:
	case BPF_PROG_TYPE_CGROUP_SKB:
	case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
	case BPF_PROG_TYPE_CGROUP_SOCKOPT: {
		test::Cgroup cgroup;
		std::unique_ptr<bpf_link, decltype(&bpf_link__destroy)> link(
			bpf_program__attach_cgroup(program_, cgroup.fd()), bpf_link__destroy);
		EXPECT_NE(link, nullptr) << "attach to cgroup: " << GetParam().name;
		break;
	}
	case BPF_PROG_TYPE_SK_MSG: {
		int sending = bpf_object__find_map_fd_by_name(object_, "tp_sending");
		EXPECT_EQ(bpf_prog_attach(fd, sending, BPF_SK_MSG_VERDICT, 0), 0);
		EXPECT_EQ(bpf_prog_detach2(fd, sending, BPF_SK_MSG_VERDICT), 0);
		break;
	}
	case BPF_PROG_TYPE_SCHED_CLS: {
		// of the parser's test program: run, not attached
		std::uint8_t packet[64] = {};
		LIBBPF_OPTS(bpf_test_run_opts, options);
		options.data_in = packet;
		options.data_size_in = sizeof(packet);
		EXPECT_EQ(bpf_prog_test_run_opts(fd, &options), 0);
		break;
	}
	case BPF_PROG_TYPE_SYSCALL: {
		// run, not attached
		tp_agent_report report = {};
		LIBBPF_OPTS(bpf_test_run_opts, options);
		options.ctx_in = &report;
		options.ctx_size_in = sizeof(report);
		EXPECT_EQ(bpf_prog_test_run_opts(fd, &options), 0);
		break;
	}
	default:
		FAIL() << "program type " << bpf_program__type(program_) << ": how is it attached?";
	}
}

INSTANTIATE_TEST_SUITE_P(Objects, BpfProgram, testing::ValuesIn(programs()),
			 [](const auto &row) { return row.param.name; });

TEST(BpfObjects, AreBuiltAndOpen)
{
	for (const char *path : objects)
		EXPECT_NE(open_object(path), nullptr) << "open object: " << path << ": run make";
}

TEST(BpfBudget, NamesOnlyProgramsThatExist)
{
	const auto list = programs();

	EXPECT_FALSE(budgets().empty());
	for (const auto &[name, budget] : budgets()) {
		bool exists = false;
		for (const Program &program : list)
			exists = exists || program.name == name;
		EXPECT_TRUE(exists) << "budget of " << name;
	}
}

} // namespace
