// SPDX-License-Identifier: BSD-2-Clause
/* What programs were built with stays as it is (tools/abi); and that would be noticed if it did not. */
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "../net/support/live.h"

namespace live
{

class LibraryAbi : public testing::Test
{
protected:
	static Finished check(const std::string &folder)
	{
		return run({ "tools/abi", "check", "build/libtruepeer.so.0", folder });
	}

	/* What `check` says when `before` of a file was `after` in the version that programs know. */
	static Finished check_against(const Sandbox &box, const std::string &file,
				      const std::string &before, const std::string &after)
	{
		const std::string path = box.dir() + "/" + file;

		for (const char *name : { "libtruepeer.abi", "libtruepeer.constants" })
			std::filesystem::copy_file(
				std::string("tests/data/") + name, box.dir() + "/" + name,
				std::filesystem::copy_options::overwrite_existing);
		std::string text = read_file(path);
		size_t at = text.find(before);
		EXPECT_NE(at, std::string::npos) << file << " has no " << before;
		std::ofstream(path) << text.replace(at, before.size(), after);
		return check(box.dir());
	}
};

TEST_F(LibraryAbi, has_not_been_broken)
{
	in_sandbox([](Sandbox & /*box*/) {
		Finished finished = check("tests/data");

		EXPECT_EQ(finished.code, 0) << finished.out << finished.err;
	});
}

TEST_F(LibraryAbi, breaks_are_found)
{
	const struct {
		const char *what, *file, *before, *after;
		int code;
	} changes[] = {
		{ "nothing", "libtruepeer.abi", "truepeer_peer", "truepeer_peer", 0 },
		{ "a function has gone", "libtruepeer.abi", "truepeer_walk_open",
		  "truepeer_walk_away", 1 },
		{ "a member has moved", "libtruepeer.abi", "layout-offset-in-bits='296'",
		  "layout-offset-in-bits='304'", 1 },
		{ "a member of an inner struct has moved", "libtruepeer.abi",
		  "layout-offset-in-bits='16'", "layout-offset-in-bits='24'", 1 },
		{ "the struct that may grow has shrunk", "libtruepeer.abi",
		  "name='truepeer_peer' size-in-bits='4416'",
		  "name='truepeer_peer' size-in-bits='4480'", 1 },
		{ "a struct has another size", "libtruepeer.abi",
		  "name='truepeer_tlv' size-in-bits='128'", "name='truepeer_tlv' size-in-bits='64'",
		  1 },
		{ "a number has changed", "libtruepeer.constants", "TRUEPEER_ERROR_INVALID -5",
		  "TRUEPEER_ERROR_INVALID -4", 1 },
		{ "a number has gone", "libtruepeer.constants", "TRUEPEER_OK 0",
		  "TRUEPEER_OK 0\nTRUEPEER_TLV_ZZ 1", 1 },
	};

	in_sandbox([&](Sandbox &box) {
		for (const auto &change : changes) {
			Finished finished =
				check_against(box, change.file, change.before, change.after);

			EXPECT_EQ(finished.code, change.code) << change.what << "\n"
							      << finished.out << finished.err;
		}
	});
}

/* Programs' authors find every function in the manual. */
TEST_F(LibraryAbi, every_function_has_a_place_in_the_manual)
{
	const std::string manual = read_file("userspace/man/libtruepeer.3");
	std::istringstream symbols(read_file("build/libtruepeer.so.0.symbols"));
	int count = 0;

	for (std::string name; std::getline(symbols, name); count++)
		EXPECT_NE(manual.find(name), std::string::npos) << name;
	EXPECT_GT(count, 20);
}

} // namespace live
