// SPDX-License-Identifier: BSD-2-Clause
/* What the packages bring besides programs: configuration, manuals, Kubernetes manifests. */
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "../net/support/live.h"
#include "../net/support/service_manager.h"

namespace live
{

static const std::string shipped = "userspace/config/truepeer.toml";
static const std::string kubernetes = "tools/packaging/kubernetes/";

static Finished check(const std::string &file)
{
	return run({ build_path("truepeer"), "check", file });
}

static std::string write(const Sandbox &box, const std::string &text)
{
	std::string file = box.dir() + "/truepeer.toml";

	std::ofstream(file) << text;
	return file;
}

TEST(ShippedConfig, is_refused_until_one_line_is_edited)
{
	in_sandbox([](Sandbox &box) {
		Finished unedited = check(shipped);

		EXPECT_EQ(unedited.code, 2);
		EXPECT_NE(unedited.err.find("no network is trusted"), std::string::npos)
			<< unedited.err;
		std::string edited =
			std::regex_replace(read_file(shipped), std::regex("\n#trust"), "\ntrust");
		Finished correct = check(write(box, edited));
		EXPECT_EQ(correct.code, 0) << correct.err;
	});
}

/* Whoever removes a # has a correct line. */
TEST(ShippedConfig, shows_every_key_as_it_may_be_written)
{
	in_sandbox([](Sandbox &box) {
		std::string all =
			std::regex_replace(read_file(shipped), std::regex("\n#([a-z[])"), "\n$1");
		all = std::regex_replace(all, std::regex("/etc/truepeer/denied.txt"), "/dev/null");
		Finished correct = check(write(box, all));
		EXPECT_EQ(correct.code, 0) << correct.err;
	});
}

TEST(Manuals, have_no_warnings)
{
	in_sandbox([](const Sandbox & /*box*/) {
		for (const auto &page : std::filesystem::directory_iterator("userspace/man")) {
			std::string name = page.path().string();
			Finished groff = run(
				{ "man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", name });

			EXPECT_EQ(groff.err, "") << name;
			/* they have a version instead of a date */
			Finished lint = run({ "sh", "-c",
					      "mandoc -T lint -W warning " + name +
						      " | grep -v 'missing date'" });
			EXPECT_EQ(lint.out, "") << name;
		}
	});
}

TEST(Kubernetes, manifests_follow_the_schema_of_the_api)
{
	if (!std::filesystem::exists(kubernetes + "check/node_modules/kubernetes-models"))
		GTEST_SKIP() << "tools/deps could not get the packages from npm";
	in_sandbox([](const Sandbox & /*box*/) {
		std::vector<std::string> command = { "node", kubernetes + "check/check.mjs" };

		for (const char *name : { "daemonset", "namespace", "serviceaccount" })
			command.push_back(kubernetes + "base/" + name + ".yaml");
		Finished finished = run(command);
		EXPECT_EQ(finished.code, 0) << finished.err;
		if (run({ "sh", "-c", "command -v kubectl" }).code)
			return; /* not in Debian 12 in a version that knows the overlay's keys */
		finished = run({ "sh", "-c",
				 "kubectl kustomize " + kubernetes + "overlays/example | node " +
					 kubernetes + "check/check.mjs" });
		EXPECT_EQ(finished.code, 0) << finished.err;
	});
}

static std::set<std::string> matches(const std::string &text, const std::string &pattern)
{
	const std::regex regex(pattern);
	std::set<std::string> found;

	for (std::sregex_iterator i(text.begin(), text.end(), regex), end; i != end; ++i)
		found.insert((*i)[1]);
	return found;
}

TEST(Kubernetes, agent_has_the_capabilities_of_the_unit_and_no_more)
{
	std::string text = read_file(kubernetes + "base/daemonset.yaml");
	size_t at = text.find("add: [");

	EXPECT_NE(text.find("drop: [ALL]"), std::string::npos);
	EXPECT_EQ(text.find("privileged: true"), std::string::npos);
	ASSERT_NE(at, std::string::npos);
	std::string added = text.substr(at, text.find(']', at) - at);
	EXPECT_EQ(matches(added, "([A-Z_]+)"),
		  matches(Unit("userspace/systemd/truepeer.service")["AmbientCapabilities"],
			  "CAP_([A-Z_]+)"));
}

TEST(Kubernetes, configuration_of_the_overlay_is_correct)
{
	in_sandbox([](const Sandbox & /*box*/) {
		Finished overlay = check(kubernetes + "overlays/example/truepeer.toml");

		EXPECT_EQ(overlay.code, 0) << overlay.err;
		EXPECT_EQ(check(kubernetes + "base/truepeer.toml").code, 2);
	});
}

} // namespace live
