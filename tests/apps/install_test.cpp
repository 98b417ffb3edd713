// SPDX-License-Identifier: BSD-2-Clause
/* What `make install` leaves, and projects outside of this tree that are built with it. */
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "../net/support/live.h"

namespace live
{

class Install : public testing::Test
{
protected:
	static Finished shell(const std::string &script, std::vector<std::string> environment = {})
	{
		return run({ "sh", "-ec", script }, { .environment = std::move(environment) },
			   100s);
	}
	static void expect_done(const Finished &finished)
	{
		EXPECT_EQ(finished.code, 0) << finished.out << finished.err;
	}
	/* What is to be tested was built before: nothing is now. */
	static void install(const std::string &variables)
	{
		Finished question = shell("make -q --no-print-directory build/truepeer "
					  "build/libtruepeer.a build/libtruepeer.so.0");

		ASSERT_EQ(question.code, 0) << "build first: make";
		expect_done(shell("make --no-print-directory install " + variables));
	}
};

TEST_F(Install, programs_are_built_by_pkg_config)
{
	in_sandbox([](Sandbox &box) {
		const std::string prefix = box.dir() + "/usr";
		const std::vector<std::string> path = { "PKG_CONFIG_PATH=" + prefix +
								"/lib/pkgconfig",
							"LD_LIBRARY_PATH=" + prefix + "/lib",
							"OUT=" + box.dir() };

		install("PREFIX=" + prefix);
		for (const char *build :
		     { "cc -Wall -Wextra -Werror "
		       "tests/data/consumer/consumer.c -o $OUT/c $(pkg-config --cflags --libs "
		       "truepeer)",
		       "c++ -std=c++17 -Wall -Wextra -Wpedantic -Wshadow -Wconversion "
		       "-Wold-style-cast "
		       "-Werror tests/data/consumer/consumer.cpp -o $OUT/cpp $(pkg-config --cflags "
		       "--libs truepeer)" })
			expect_done(shell(build, path));
		for (const char *program : { "$OUT/c", "$OUT/cpp" }) {
			Finished finished = shell(program, path);

			expect_done(finished);
			EXPECT_TRUE(finished.out.starts_with("0.1.0, ")) << finished.out;
		}
		EXPECT_EQ(shell("pkg-config --modversion truepeer", path).out, "0.1.0\n");
		EXPECT_EQ(run({ prefix + "/sbin/truepeer", "--version" }).out, "truepeer 0.1.0\n");
	});
}

/* Whichever compiler and standard, and however strict it is about warnings. */
TEST_F(Install, every_macro_of_the_headers_compiles_without_a_warning)
{
	in_sandbox([](Sandbox &box) {
		const std::string source = "tests/data/consumer/macros.c ";

		install("PREFIX=" + box.dir() + "/usr");
		for (const char *compiler :
		     { "cc -x c -std=c99 ", "cc -x c -std=c11 ", "clang-19 -x c -std=c99 ",
		       "clang-19 -x c -std=c11 ", "c++ -x c++ -std=c++11 ",
		       "c++ -x c++ -std=c++20 ", "clang++-19 -x c++ -std=c++11 ",
		       "clang++-19 -x c++ -std=c++20 " }) {
			SCOPED_TRACE(compiler);
			expect_done(
				shell(compiler + source +
					      "-Wall -Wextra -Wpedantic -Werror -I$OUT/usr/include "
					      "-o $OUT/macros && $OUT/macros",
				      { "OUT=" + box.dir() }));
		}
		/* every one, also those that are added later; but for include guards */
		Finished names =
			shell("sed -nE 's/^#define ([A-Z_]+[A-Z])\\b.*/\\1/p' "
			      "$OUT/usr/include/truepeer/* | sort -u | "
			      "while read -r name; do case $name in TRUEPEER*_H|TRUEPEER*HPP) ;; "
			      "*) grep -qw $name " +
				      source + "|| echo $name ;; esac; done",
			      { "OUT=" + box.dir() });
		expect_done(names);
		EXPECT_EQ(names.out, "") << "macros that " << source << "does not use";
	});
}

TEST_F(Install, programs_are_built_by_cmake)
{
	in_sandbox([](Sandbox &box) {
		const std::string prefix = box.dir() + "/usr";

		install("PREFIX=" + prefix + " LIBDIR=" + prefix + "/lib/multiarch");
		/* it may be moved afterwards */
		std::filesystem::rename(prefix, box.dir() + "/moved");
		expect_done(shell("cmake -S tests/data/consumer -B $OUT/build "
				  "-DCMAKE_PREFIX_PATH=$OUT/moved "
				  "-Dtruepeer_DIR=$OUT/moved/lib/multiarch/cmake/truepeer && "
				  "cmake --build $OUT/build",
				  { "OUT=" + box.dir() }));
		for (const char *program : { "/build/consumer_c", "/build/consumer_cpp" })
			expect_done(run({ box.dir() + program }));
	});
}

/* For packages: nothing is written anywhere else, and nothing names the folder. */
TEST_F(Install, puts_everything_below_destdir)
{
	in_sandbox([](Sandbox &box) {
		const std::string destination = box.dir() + "/package";

		install("PREFIX=/usr DESTDIR=" + destination);
		for (const char *file : { "sbin/truepeer",
					  "lib/libtruepeer.so",
					  "lib/libtruepeer.so.0",
					  "lib/libtruepeer.a",
					  "lib/pkgconfig/truepeer.pc",
					  "lib/cmake/truepeer/truepeer-config.cmake",
					  "include/truepeer/truepeer.h",
					  "include/truepeer/truepeer.hpp",
					  "include/truepeer/sockopt.h",
					  "share/man/man8/truepeer.8",
					  "share/man/man3/libtruepeer.3",
					  "share/bash-completion/completions/truepeer",
					  "lib/systemd/system/truepeer.service",
					  "lib/sysusers.d/truepeer.conf",
					  "lib/truepeer/prepare-bpffs",
					  "share/man/man5/truepeer.toml.5",
					  "share/zsh/site-functions/_truepeer",
					  "share/doc/truepeer/examples/truepeer.toml",
					  "share/doc/truepeer/examples/monitoring/alerts.yml",
					  "share/doc/truepeer/examples/monitoring/dashboard.json" })
			EXPECT_TRUE(std::filesystem::exists(destination + "/usr/" + file)) << file;
		EXPECT_TRUE(std::filesystem::exists(destination + "/etc/truepeer/truepeer.toml"));
		EXPECT_EQ(shell("grep -rlI " + destination + " " + destination).out, "");
		EXPECT_EQ(shell("grep -rhI '@[A-Z_]*@' " + destination + "/usr/lib").out, "");
	});
}

/* With a prefix that is not the system's, the unit names the files that are there. */
TEST_F(Install, stays_below_its_prefix_and_leaves_an_edited_configuration_alone)
{
	in_sandbox([](Sandbox &box) {
		const std::string prefix = box.dir() + "/opt", config = prefix + "/etc/truepeer/"
										 "truepeer.toml";
		install("PREFIX=" + prefix);
		std::string unit = read_file(prefix + "/lib/systemd/system/truepeer.service");
		for (const std::string &line :
		     { "ExecStartPre=+" + prefix + "/lib/truepeer/prepare-bpffs\n",
		       "ExecStart=" + prefix + "/sbin/truepeer run --config " + config + "\n",
		       "ExecReload=" + prefix + "/sbin/truepeer reload\n",
		       "ConditionPathExists=" + config + "\n" })
			EXPECT_NE(unit.find("\n" + line), std::string::npos) << unit;
		std::ofstream(config) << "# edited\n";
		install("PREFIX=" + prefix);
		EXPECT_EQ(read_file(config), "# edited\n");
	});
}

} // namespace live
