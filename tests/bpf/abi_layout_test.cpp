// SPDX-License-Identifier: BSD-2-Clause
/*
 * The shared structs are the same for both compilers: the BTF of a BPF object
 * against sizeof and offsetof here, for every struct and every member in abi.h.
 */
#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/abi.h"

#include "abi_types.skel.h"

namespace
{

struct Member {
	std::size_t offset;
	std::size_t size;
};

struct Layout {
	std::size_t size;
	std::map<std::string, Member> members;
};

const std::map<std::string, Layout> &native_layouts()
{
#define STRUCT(type)                                                                               \
	{                                                                                          \
		#type,                                                                             \
		{                                                                                  \
			sizeof(struct type),                                                       \
			{
#define MEMBER(type, name) { #name, { offsetof(struct type, name), sizeof(type::name) } },
#define END(type)                                                                                  \
	}                                                                                          \
	}                                                                                          \
	}                                                                                          \
	,
	static const std::map<std::string, Layout> layouts = {
#include "abi_members.inc"
	};
	return layouts;
}

class AbiLayout : public testing::Test
{
protected:
	void SetUp() override
	{
		std::size_t size;
		const void *elf = abi_types::elf_bytes(&size);

		object_.reset(bpf_object__open_mem(elf, size, nullptr));
		ASSERT_NE(object_, nullptr) << "open object: abi_types.bpf.o";
		btf_ = bpf_object__btf(object_.get());
		ASSERT_NE(btf_, nullptr);
	}

	struct Close {
		void operator()(bpf_object *object) const { bpf_object__close(object); }
	};
	std::unique_ptr<bpf_object, Close> object_;
	const btf *btf_ = nullptr;
};

TEST_F(AbiLayout, EveryMemberIsWhereTheBpfCompilerPutsIt)
{
	for (const auto &[name, layout] : native_layouts()) {
		SCOPED_TRACE("struct " + name);
		int id = btf__find_by_name_kind(btf_, name.c_str(), BTF_KIND_STRUCT);
		ASSERT_GT(id, 0) << "not in BTF";
		const btf_type *type = btf__type_by_id(btf_, static_cast<__u32>(id));
		const btf_member *member = btf_members(type);

		EXPECT_EQ(type->size, layout.size);
		EXPECT_EQ(btf_vlen(type), layout.members.size());
		for (int i = 0; i < btf_vlen(type); i++, member++) {
			std::string member_name = btf__name_by_offset(btf_, member->name_off);
			SCOPED_TRACE(member_name);
			auto native = layout.members.find(member_name);

			ASSERT_NE(native, layout.members.end()) << "abi_members.awk missed it";
			EXPECT_EQ(btf_member_bit_offset(type, static_cast<__u32>(i)),
				  native->second.offset * 8);
			EXPECT_EQ(btf__resolve_size(btf_, member->type),
				  static_cast<__s64>(native->second.size));
		}
	}
}

// No hole that a compiler could fill with anything: padding is explicit.
TEST_F(AbiLayout, MembersLeaveNoHoles)
{
	for (const auto &[name, layout] : native_layouts()) {
		std::size_t used = 0;

		for (const auto &member : layout.members)
			used += member.second.size;
		EXPECT_EQ(used, layout.size) << "struct " << name;
	}
}

// The list comes out of the header by pattern: what BTF knows of ours is its check.
TEST_F(AbiLayout, CoversEveryStructOfTheHeader)
{
	std::size_t found = 0;

	for (__u32 id = 1; id < btf__type_cnt(btf_); id++) {
		const btf_type *type = btf__type_by_id(btf_, id);
		std::string name = btf__name_by_offset(btf_, type->name_off);

		if (!btf_is_struct(type) || name.rfind("tp_", 0) != 0)
			continue;
		found++;
		EXPECT_EQ(native_layouts().count(name), 1u) << "struct " << name;
	}
	EXPECT_EQ(found, native_layouts().size());
	EXPECT_EQ(native_layouts().count("tp_peer"), 1u);
	EXPECT_EQ(native_layouts().count("tp_header"), 1u);
}

} // namespace
