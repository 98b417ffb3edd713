// SPDX-License-Identifier: BSD-2-Clause
/*
 * The example servers of the Python and Go modules, as nobody, in a container (network and mount
 * namespace) that sees no bpffs: what they know of their connections.
 */
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "../net/support/live.h"
#include "../net/support/wire.h"

namespace live
{

/* Debian's, which nobody may run; what is first in $PATH may be in somebody's home. */
static const std::string python = "/usr/bin/python3";
static const std::string python_folder = "userspace/bindings/python";
static constexpr uint16_t served_port = 8080, other_port = 8081;

/* As nobody, where neither the sandbox's bpffs nor the host's is to be seen. */
static std::vector<std::string> in_container(const Sandbox &box,
					     const std::vector<std::string> &command)
{
	std::vector<std::string> all = {
		"unshare",
		"--mount",
		"sh",
		"-c",
		"mount -t tmpfs none \"$0\" && mount -t tmpfs none /sys && "
		"exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"",
		box.dir()
	};

	all.insert(all.end(), command.begin(), command.end());
	return all;
}

class ExampleServer
{
public:
	ExampleServer(const Sandbox &box, const Netns &container, std::vector<std::string> command,
		      uint16_t port)
	{
		command.insert(command.end(), { "127.0.0.1", std::to_string(port) });
		process_ = Process(in_container(box, command),
				   { .environment = { "PYTHONPATH=" + python_folder,
						      "PYTHONDONTWRITEBYTECODE=1" },
				     .netns = container.fd() });
		if (!eventually([&] { return process_.out().starts_with("listening"); }, 30s))
			throw std::runtime_error("start example: " + process_.err());
	}
	std::string errors() const { return process_.err(); }

private:
	Process process_;
};

/* What is said by a client of that header, in the container. */
static std::string ask(const Netns &container, uint16_t port, const std::string &bytes)
{
	std::string answer;

	in_netns(container.fd(), [&] {
		Client client(endpoint("127.0.0.1", port), proxy_ipv4);

		EXPECT_TRUE(client.send(bytes));
		client.finish();
		answer = client.receive_all().bytes;
	});
	return answer;
}

/* An IPv6 client of a server that listens on IPv4, and TLVs of more than Python can read at once. */
static V2 header()
{
	V2 h;

	h.source = "2001:db8::9";
	h.source_port = 4242;
	h.destination = "2001:db8::1";
	h.destination_port = 443;
	h.tlvs = { { 0x02, "example.org" },
		   { 0x20, std::string("\x07\0\0\0\0\x21\0\x07TLSv1.3", 15) },
		   { 0xe1, std::string(9000, 'x') } };
	return h;
}

class Bindings : public testing::TestWithParam<std::string>
{
protected:
	static Agent start_agent(const Sandbox &box, const Netns &container)
	{
		return Agent(box,
			     { .engine = GetParam(),
			       .listen = { "127.0.0.1:8080" },
			       .more = { "--netns", container.path(), "--getsockopt",
					 "--max-header", "16384", "--ipv6-on-ipv4", "pseudo" } });
	}

	static void expect_answers(const std::vector<std::string> &command)
	{
		in_sandbox([&](Sandbox &box) {
			Netns container;
			Agent agent = start_agent(box, container);
			ExampleServer server(box, container, command, served_port),
				other(box, container, command, other_port);
			std::string said =
				ask(container, served_port, header().bytes() + "who am I\n");
			nlohmann::json answer = nlohmann::json::parse(said, nullptr, false);

			ASSERT_TRUE(answer.is_object()) << said << server.errors();
			EXPECT_EQ(answer.value("origin", ""), "[2001:db8::9]:4242") << said;
			EXPECT_EQ(answer.value("destination", ""), "[2001:db8::1]:443");
			EXPECT_EQ(answer.value("proxy", "").substr(0, 10), "127.0.0.2:");
			EXPECT_EQ(answer.value("engine", ""), GetParam());
			EXPECT_EQ(answer.value("authority", ""), "example.org");
			EXPECT_EQ(answer.value("tls", ""), "TLSv1.3");
			EXPECT_EQ(answer.value("header_bytes", 0u), header().bytes().size());
			/* v1: no TLVs; and a port that is none of truepeer's */
			said = ask(container, served_port,
				   v1_header("203.0.113.9", 1, "198.51.100.1", 2) + "who am I\n");
			EXPECT_NE(said.find("203.0.113.9:1"), std::string::npos) << said;
			EXPECT_EQ(nlohmann::json::parse(said).value("header_bytes", 1), 0);
			said = ask(container, other_port, "who am I\n");
			EXPECT_EQ(nlohmann::json::parse(said).value("error", ""), "NotFound")
				<< said;
			expect_clean_stop(agent);
		});
	}
};
INSTANTIATE_TEST_SUITE_P(Live, Bindings, testing::ValuesIn([] {
				 std::vector<std::string> here;

				 for (const std::string &engine : engines())
					 if (kernel_has(engine))
						 here.push_back(engine);
				 return here;
			 }()),
			 [](const auto &one) { return one.param; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Bindings);

TEST_P(Bindings, python_server_sees_the_client)
{
	expect_answers({ python, python_folder + "/examples/server.py" });
}

TEST_P(Bindings, go_server_sees_the_client)
{
	expect_answers({ build_path("examples/go-server") });
}

TEST_P(Bindings, python_wsgi_application_sees_the_client)
{
	in_sandbox([](Sandbox &box) {
		Netns container;
		Agent agent = start_agent(box, container);
		std::vector<std::string> command = { python, python_folder + "/examples/wsgi.py" };
		ExampleServer server(box, container, command, served_port),
			other(box, container, command, other_port);
		std::string request = "GET / HTTP/1.0\r\n\r\n";
		std::string said = ask(container, served_port, header().bytes() + request);

		for (const char *line :
		     { "IP = 2001:db8::9:4242\n", "destination = [2001:db8::1]:443\n",
		       "authority = example.org\n" })
			EXPECT_NE(said.find(line), std::string::npos) << said << server.errors();
		said = ask(container, other_port, request);
		EXPECT_NE(said.find("IP = 127.0.0.2:None\ndestination = None\nauthority = None\n"),
			  std::string::npos)
			<< said << other.errors();
		expect_clean_stop(agent);
	});
}

} // namespace live
