// SPDX-License-Identifier: BSD-2-Clause
/*
 * Real software from end to end: a client with an address of its own, HAProxy, and
 * servers that are not configured for PROXY.  Each must report the client.
 */
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include <nlohmann/json.hpp>

#include "../net/support/live.h"

namespace live
{

struct Software {
	std::string name;
	std::vector<std::string> command;
	std::string expected; /* in the answer, or in what the server logs */
};

static std::vector<Software> servers()
{
	const std::string plain_http =
		"import http.server as h\n"
		"h.HTTPServer(('127.0.0.1', 8080), h.SimpleHTTPRequestHandler).serve_forever()\n";
	const std::string node = "require('http').createServer((q, r) => r.end('peer ' + "
				 "q.socket.remoteAddress + '\\n')).listen(8080, '127.0.0.1')";

	return {
		{ "node_http", { "node", "-e", node }, "peer 203.0.113.9\n" },
		{ "python_threads",
		  { "python3", "-u", "-m", "http.server", "8080", "--bind", "127.0.0.1" },
		  "203.0.113.9 - - [" },
		{ "python_blocking", { "python3", "-u", "-c", plain_http }, "203.0.113.9 - - [" },
		{ "nginx", {}, "peer 203.0.113.9\n" },
		{ "library_example", {}, "203.0.113.9:" },
	};
}

class Apps : public testing::TestWithParam<std::tuple<Software, std::string>>
{
};

static void write_file(const std::string &path, const std::string &text)
{
	std::ofstream(path) << text;
}

static void ip(std::vector<std::string> arguments, int netns = -1)
{
	arguments.insert(arguments.begin(), "ip");
	Finished f = run(arguments, { .netns = netns });
	ASSERT_EQ(f.code, 0) << f.err;
}

/* 203.0.113.9 in `client`, 203.0.113.1 here. */
static void connect_networks(const Netns &client)
{
	ip({ "link", "add", "veth0", "type", "veth", "peer", "name", "eth0" });
	ip({ "link", "set", "eth0", "netns", client.path() });
	ip({ "addr", "add", "203.0.113.1/24", "dev", "veth0" });
	ip({ "link", "set", "veth0", "up" });
	ip({ "addr", "add", "203.0.113.9/24", "dev", "eth0" }, client.fd());
	ip({ "link", "set", "eth0", "up" }, client.fd());
}

static bool listens(uint16_t port)
{
	const std::string filter = "sport = :" + std::to_string(port);

	return eventually([&] { return !run({ "ss", "-Hltn", filter }).out.empty(); }, 20s);
}

static std::vector<std::string> prepare(const Sandbox &box, const Software &software)
{
	const std::string &dir = box.dir();

	if (software.name == "nginx") {
		std::string config =
			"daemon off; master_process off; pid " + dir +
			"/nginx.pid; error_log stderr; events {}\nhttp { access_log off; ";

		for (const char *kind : { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" })
			config += std::string(kind) + "_temp_path " + dir + "/" + kind + "; ";
		config += "server { listen 127.0.0.1:8080; location / "
			  "{ return 200 \"peer $remote_addr\\n\"; } } }\n";
		write_file(dir + "/nginx.conf", config);
		return { "nginx", "-c", dir + "/nginx.conf", "-e", "stderr" };
	}
	if (software.name == "library_example")
		return { build_path("examples/real_peer_server"), "8080", box.pin_dir() };
	return software.command;
}

static std::string haproxy_config(bool http, const std::string &option)
{
	return std::string("defaults\n mode ") + (http ? "http" : "tcp") +
	       "\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"
	       "frontend f\n bind 203.0.113.1:80\n default_backend b\n"
	       "backend b\n server s 127.0.0.1:8080 " +
	       option + "\n";
}

TEST_P(Apps, see_the_client_behind_haproxy)
{
	const auto &[software, option] = GetParam();

	in_sandbox(
		[&](Sandbox &box) {
			Netns client;
			bool http = software.name != "library_example";
			std::string config = box.dir() + "/haproxy.cfg", seen;

			connect_networks(client);
			write_file(config, haproxy_config(http, option));
			Agent agent(box, { .listen = { "0.0.0.0:8080" } });
			Process server(prepare(box, software));
			Process haproxy({ "haproxy", "-q", "-db", "-f", config });
			ASSERT_TRUE(listens(8080)) << server.err();
			ASSERT_TRUE(listens(80)) << haproxy.err();

			for (int i = 0; i < 3; i++) {
				Finished f = run(
					{ "curl", "-sS", "--max-time", "5", "http://203.0.113.1/" },
					{ .netns = client.fd() });

				seen += f.out;
				EXPECT_TRUE(!http || f.code == 0) << f.err;
			}
			auto reported = [&] {
				return (seen + server.out() + server.err())
					       .find(software.expected) != std::string::npos;
			};
			EXPECT_TRUE(eventually(reported))
				<< "answers: " << seen << "\nlog: " << server.out() << server.err();
			Counters counters = agent.counters();
			EXPECT_GE(counters[option == "send-proxy" ? "accepted_v1_proxy" :
								    "accepted_v2_proxy"],
				  1u);
			EXPECT_EQ(counters["no_header"], 0u);
			haproxy.signal(SIGKILL);
			EXPECT_TRUE(haproxy.wait(10s).has_value());
			server.signal(SIGKILL);
			EXPECT_TRUE(server.wait(10s).has_value());
			expect_clean_stop(agent);
		},
		90s);
}

INSTANTIATE_TEST_SUITE_P(Haproxy, Apps,
			 testing::Combine(testing::ValuesIn(servers()),
					  testing::Values("send-proxy", "send-proxy-v2")),
			 [](const auto &parameter) {
				 return std::get<0>(parameter.param).name +
					(std::get<1>(parameter.param) == "send-proxy" ? "_v1" :
											"_v2");
			 });

} // namespace live
