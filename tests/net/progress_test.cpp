// SPDX-License-Identifier: BSD-2-Clause
/* What long work shows of itself: on a terminal how far it has come, elsewhere nothing. */
#include <fstream>

#include "support/live.h"

namespace live
{

TEST(Progress, of_a_long_list_of_networks_is_shown_on_a_terminal_alone)
{
	in_sandbox([](Sandbox &box) {
		Agent agent(box, { .listen = { "127.0.0.1:8080" } });
		std::string list = box.dir() + "/list";
		std::ofstream file(list);

		for (int i = 0; i < 400000; i++)
			file << 11 + i / 65536 << "." << i / 256 % 256 << "." << i % 256
			     << ".0/24\n";
		file.close();
		for (const char *change : { "add", "remove" }) {
			std::string command = build_path("truepeer") + " deny " + change +
					      " --file " + list + " --pin-dir " + box.pin_dir();
			/* script(1) runs it on a terminal */
			Finished shown = run({ "script", "-qec", command, "/dev/null" });
			Finished hidden = run({ "sh", "-c", command });

			EXPECT_EQ(shown.code, 0) << shown.out;
			EXPECT_NE(shown.out.find("\rdeny " + std::string(change) + ": "),
				  std::string::npos)
				<< shown.out;
			EXPECT_NE(shown.out.find(" of 400000 networks"), std::string::npos);
			EXPECT_TRUE(shown.out.ends_with("\r\x1b[K")) << shown.out;
			EXPECT_EQ(hidden.out, "");
			EXPECT_EQ(hidden.err.find("of 400000"), std::string::npos);
		}
		expect_clean_stop(agent);
	});
}

} // namespace live
