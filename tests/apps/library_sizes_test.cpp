// SPDX-License-Identifier: BSD-2-Clause
/*
 * Programs and libraries of different versions: struct truepeer_peer grows at its end, and each side
 * may be the older one.  The later version is this one with a member more, built here.
 */
#include <filesystem>
#include <fstream>

#include <truepeer/truepeer.h>

#include "../net/support/live.h"

namespace live
{

class LibraryVersions : public testing::Test
{
protected:
	static void shell(const std::string &script, const std::string &out)
	{
		Finished finished =
			run({ "sh", "-ec", script }, { .environment = { "OUT=" + out } }, 100s);

		EXPECT_EQ(finished.code, 0) << finished.out << finished.err;
	}
	static void put_in(const std::string &path, const std::string &before,
			   const std::string &added)
	{
		std::string text = read_file(path);
		size_t at = text.find(before);

		ASSERT_NE(at, std::string::npos) << path << " has no " << before;
		std::ofstream(path) << text.insert(at + before.size(), added);
	}

	/* Both versions of the library, and both programs, below box.dir(). */
	static void build(Sandbox &box)
	{
		const std::string &out = box.dir();

		shell("mkdir -p $OUT/now $OUT/later; cp -r userspace/include $OUT/now/; "
		      "cp -r userspace/include userspace/lib $OUT/later/",
		      out);
		put_in(out + "/later/include/truepeer/truepeer.h",
		       "struct sockaddr_storage local; /* this host's end of the TCP connection "
		       "*/\n",
		       "	uint64_t added;\n");
		put_in(out + "/later/include/truepeer/truepeer.h", "{}, {}, {}, {}, {}", ", 0");
		put_in(out + "/later/lib/peer.cpp", "	out.service = peer.service;\n",
		       "	out.added = 43;\n");
		shell("cp build/libtruepeer.so.0 $OUT/now/libtruepeer.so.0; "
		      "g++ -g -std=c++20 -O1 -fPIC -fno-exceptions -fno-rtti -fno-strict-aliasing "
		      "-fvisibility=hidden -DTP_VERSION='\"later\"' -I$OUT/later "
		      "-I$OUT/later/include "
		      "-I. -Iuserspace -shared -Wl,-soname,libtruepeer.so.0 "
		      "-Wl,--version-script=userspace/lib/libtruepeer.map "
		      "$(ls $OUT/later/lib/*.cpp | grep -v names.cpp) "
		      "-o $OUT/later/libtruepeer.so.0 -lbpf",
		      out);
		/* nor is that a break of the ABI */
		shell("tools/abi check $OUT/later/libtruepeer.so.0", out);
		for (std::string version : { "now", "later" })
			shell("ln -s libtruepeer.so.0 $OUT/" + version +
				      "/libtruepeer.so; cc -Wall -Wextra -Werror " +
				      (version == "later" ? "-DLATER " : "") +
				      "tests/data/consumer/sizes.c -I$OUT/" + version +
				      "/include -L$OUT/" + version + " -ltruepeer -o $OUT/" +
				      version + "/sizes",
			      out);
	}
	static std::string said(const std::string &way, int result, unsigned bytes, unsigned added)
	{
		return way + ": " + std::to_string(result) + ", " + std::to_string(bytes) +
		       " bytes, version 2, added " + std::to_string(added) + ", nothing behind\n";
	}
};

TEST_F(LibraryVersions, older_and_newer_programs_and_libraries_work_together)
{
	const unsigned size = sizeof(truepeer_peer), more = size + 8;
	const struct {
		const char *program, *library;
		unsigned bytes, added;
	} cases[] = {
		{ "now", "now", size, 0 },
		{ "now", "later", size, 0 },
		{ "later", "now", size, 0 },
		{ "later", "later", more, 43 },
	};

	const Case any = { "translate", false, ServerKind::blocking };

	run_world(any, { .agent = { "--getsockopt" }, .start_server = false }, [&](World &w) {
		Socket listener = listen_on(w.service);

		build(w.box);
		Client client = w.connect(); /* now: a header has a few seconds to come */
		ASSERT_TRUE(client.send(w.header(2) + "hello"));
		Accepted a = accept_from(listener);
		int fd = dup(a.socket.fd()); /* which the programs inherit */
		for (const auto &c : cases) {
			SCOPED_TRACE(std::string(c.program) + " program, " + c.library +
				     " library");
			Finished finished = run(
				{ w.box.dir() + "/" + c.program + "/sizes", w.agent->pin_dir(),
				  std::to_string(cookie_of(a.socket.fd())), std::to_string(fd) },
				{ .environment = { "LD_LIBRARY_PATH=" + w.box.dir() + "/" +
						   c.library } });

			EXPECT_EQ(finished.code, 0) << finished.err;
			/* by descriptor the kernel answers, which has what this version knows */
			EXPECT_EQ(finished.out, said("cookie", 0, c.bytes, c.added) +
							said("descriptor", 0, size, 0) +
							said("walk", 1, c.bytes, c.added));
		}
		close(fd);
	});
}

} // namespace live
