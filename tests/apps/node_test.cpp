// SPDX-License-Identifier: BSD-2-Clause
/*
 * The Node module on a host where truepeer runs: it must not read a second header on a connection
 * whose header truepeer has removed, for that one would be the client's own, and must read the
 * header of any other.
 */
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "../net/support/live.h"

namespace live
{

static const std::string node_folder = "userspace/bindings/node";
static const std::string header = "PROXY TCP4 203.0.113.9 198.51.100.1 4242 80\r\n";
static const std::string forged = "PROXY TCP4 6.6.6.6 7.7.7.7 6 7\r\n";
static constexpr uint16_t proxy_port = 8000, served_port = 8080, other_port = 8081;

/* koffi, which calls the library, is from npm: tools/deps. */
static bool has_packages()
{
	return std::filesystem::exists(node_folder + "/node_modules/koffi");
}

#define TP_NEED_PACKAGES()                                                                         \
	if (!has_packages())                                                                       \
	GTEST_SKIP() << node_folder << "/node_modules: not there (npm ci)"

static nlohmann::json asking(const Sandbox &box)
{
	return { { "pinDir", box.pin_dir() }, { "library", build_path("libtruepeer.so.0") } };
}

struct NodeOptions {
	std::string module = "net";
	uint16_t port = served_port;
	nlohmann::json options = nullptr; /* null: an unmodified server */
	uid_t uid = 0;
};

class NodeServer
{
public:
	explicit NodeServer(const NodeOptions &options)
	    : process_(command(options), { .uid = options.uid, .gid = options.uid })
	{
		if (!says("listening", 30s))
			throw std::runtime_error("start node: " + process_.err());
	}

	bool says(const std::string &text, Ms timeout = 5s) const
	{
		return eventually([&] { return log().find(text) != std::string::npos; }, timeout);
	}
	std::string log() const { return process_.out() + process_.err(); }
	void stand_still() const { process_.signal(SIGUSR2); }

private:
	static std::vector<std::string> command(const NodeOptions &options)
	{
		std::vector<std::string> all = { "node", node_folder + "/test/served.js",
						 options.module, std::to_string(options.port) };

		if (!options.options.is_null())
			all.push_back(options.options.dump());
		return all;
	}

	Process process_;
};

class Haproxy
{
public:
	Haproxy(const Sandbox &box, uint16_t port, const std::string &option)
	{
		const std::string path = box.dir() + "/haproxy.cfg";

		std::ofstream(path) << "defaults\n mode tcp\n timeout connect 5s\n"
				       " timeout client 20s\n timeout server 20s\n"
				       "listen l\n bind 127.0.0.1:8000\n unique-id-format id-%pid\n"
				       " server s 127.0.0.1:"
				    << port << " " << option << "\n";
		process_ = Process({ "haproxy", "-q", "-db", "-f", path });
		if (!eventually([] { return !run({ "ss", "-Hltn", "sport = :8000" }).out.empty(); },
				20s))
			throw std::runtime_error("start haproxy: " + process_.err());
	}

private:
	Process process_;
};

struct Answer {
	std::string own, text; /* the client's own name, and what the server says */
};

/* What a client gets that sends this through the proxy. */
static Answer ask(const std::string &request)
{
	Client client(endpoint("127.0.0.1", proxy_port), "127.0.0.77");
	const std::string own = name_of(client.fd()).text();

	EXPECT_TRUE(client.send(request));
	return { own, client.receive_all().bytes };
}

class Node : public testing::TestWithParam<std::string>
{
protected:
	static Agent start_agent(const Sandbox &box)
	{
		return Agent(box, { .engine = GetParam(), .listen = { "0.0.0.0:8080" } });
	}
};

TEST_P(Node, unmodified_and_wrapped_servers_see_the_client)
{
	TP_NEED_PACKAGES();
	for (const std::string option : { "send-proxy", "send-proxy-v2" }) {
		for (bool wrapped : { false, true }) {
			in_sandbox([&](Sandbox &box) {
				Agent agent = start_agent(box);
				NodeServer server({ .module = "http",
						    .options = wrapped ? asking(box) : nullptr });
				Haproxy haproxy(box, served_port, option);
				Answer answer = ask("GET / HTTP/1.0\r\n\r\n");

				EXPECT_NE(answer.text.find("peer " + answer.own + " by " +
							   (wrapped ? "kernel" : "nobody")),
					  std::string::npos)
					<< answer.own << ": " << answer.text << server.log();
			});
		}
	}
}

/* net, http, tls, https, http2, with and without TLS: the module's own tests behind HAProxy. */
TEST_P(Node, servers_of_every_kind_see_the_client_behind_haproxy)
{
	TP_NEED_PACKAGES();
	for (bool wrapped : { false, true }) {
		in_sandbox(
			[&](Sandbox &box) {
				Agent agent = start_agent(box);
				nlohmann::json options = asking(box);

				options["kernel"] =
					"only"; /* nothing that the module reads itself */
				Finished f = run(
					{ "node", "--test", node_folder + "/test/haproxy.test.js" },
					{ .environment = { "TP_NODE_PORT=8080",
							   "TP_NODE_OPTIONS=" +
								   (wrapped ? options.dump() :
									      "unmodified") } },
					90s);

				EXPECT_EQ(f.code, 0) << f.out << f.err;
			},
			100s);
	}
}

TEST_P(Node, the_unmodified_express_example_sees_the_client)
{
	TP_NEED_PACKAGES();
	for (const std::string option : { "send-proxy", "send-proxy-v2" }) {
		in_sandbox([&](Sandbox &box) {
			Agent agent = start_agent(box);
			Process server({ "node", "userspace/examples/express/unmodified.js" },
				       { .environment = { "PORT=8080", "NODE_PATH=" + node_folder +
									       "/node_modules" } });
			Haproxy haproxy(box, served_port, option);

			ASSERT_TRUE(eventually(
				[] { return !run({ "ss", "-Hltn", "sport = :8080" }).out.empty(); },
				30s))
				<< server.err();
			Answer answer = ask("GET / HTTP/1.0\r\n\r\n");

			EXPECT_NE(answer.text.find("IP = " + answer.own + "\n"), std::string::npos)
				<< answer.own << ": " << answer.text << server.err();
		});
	}
}

TEST_P(Node, a_second_header_is_payload)
{
	TP_NEED_PACKAGES();
	for (bool strict : { true, false }) {
		for (const std::string kernel : { "auto", "only" }) {
			in_sandbox([&](Sandbox &box) {
				Agent agent = start_agent(box);
				nlohmann::json options = asking(box);

				options["strict"] = strict;
				options["kernel"] = kernel;
				NodeServer server({ .options = options });
				Haproxy haproxy(box, served_port, "send-proxy-v2");
				Answer answer = ask(forged);

				EXPECT_EQ(answer.text,
					  "peer " + answer.own + " by kernel [] " + forged)
					<< server.log();
			});
		}
	}
}

TEST_P(Node, gives_the_tlvs_of_a_header_that_the_kernel_has_removed)
{
	TP_NEED_PACKAGES();
	in_sandbox([&](Sandbox &box) {
		Agent agent = start_agent(box);
		NodeServer server({ .options = asking(box) });
		Haproxy haproxy(box, served_port,
				"send-proxy-v2 proxy-v2-options unique-id,crc32c");
		Answer answer = ask("hello");

		EXPECT_NE(answer.text.find("peer " + answer.own + " by kernel ["),
			  std::string::npos)
			<< answer.text << server.log();
		EXPECT_NE(answer.text.find("UNIQUE_ID=id-"), std::string::npos) << answer.text;
		EXPECT_NE(answer.text.find("CRC32C="), std::string::npos) << answer.text;
	});
}

TEST_P(Node, reads_the_header_itself_on_a_port_that_truepeer_does_not_serve)
{
	TP_NEED_PACKAGES();
	in_sandbox([&](Sandbox &box) {
		Agent agent = start_agent(box);
		nlohmann::json only = asking(box);

		only["kernel"] = "only";
		{
			NodeServer server({ .port = other_port, .options = asking(box) });
			Haproxy haproxy(box, other_port, "send-proxy");
			Answer answer = ask("hello");

			EXPECT_EQ(answer.text, "peer " + answer.own + " by header [] hello")
				<< server.log();
		}
		NodeServer server({ .port = other_port, .options = only });
		Haproxy haproxy(box, other_port, "send-proxy");

		EXPECT_EQ(ask("hello").text, "");
		EXPECT_TRUE(server.says("refused unknown_to_truepeer")) << server.log();
	});
}

TEST_P(Node, reads_the_header_itself_before_truepeer_runs_and_after_it)
{
	TP_NEED_PACKAGES();
	in_sandbox([&](Sandbox &box) {
		NodeServer server({ .options = asking(box) });
		Haproxy haproxy(box, served_port, "send-proxy");
		auto expect_by = [&](const std::string &source) {
			Answer answer = ask("hello");

			EXPECT_EQ(answer.text, "peer " + answer.own + " by " + source + " [] hello")
				<< server.log();
		};

		expect_by("header");
		for (int i = 0; i < 2; i++) {
			Agent agent = start_agent(box);

			expect_by("kernel");
			EXPECT_EQ(agent.stop(), 0); /* the server's library still has the maps */
			expect_by("header");
		}
	});
}

/*
 * A connection that has been reset before the server asks is in no map any more.  What the
 * client has sent behind its header can still be read, and must not be taken for one.
 */
TEST_P(Node, a_connection_reset_before_it_could_be_asked_for_is_dropped)
{
	TP_NEED_PACKAGES();
	in_sandbox([&](Sandbox &box) {
		Agent agent = start_agent(box);
		NodeServer server({ .options = asking(box) });

		for (int i = 0; i < 5; i++) {
			server.stand_still();
			ASSERT_TRUE(eventually([&] {
				std::string log = server.log();
				int times = 0;

				for (size_t at = 0; (at = log.find("standing", at)) != log.npos;
				     at++)
					times++;
				return times == i + 1;
			}));
			Client client(endpoint("127.0.0.1", served_port), "127.0.0.2");

			ASSERT_TRUE(client.send(header + forged + "hello"));
			std::this_thread::sleep_for(100ms);
			client.reset();
		}
		Client client(endpoint("127.0.0.1", served_port), "127.0.0.2");

		ASSERT_TRUE(client.send(header + "hello"));
		EXPECT_EQ(client.receive_all().bytes, "peer 203.0.113.9:4242 by kernel [] hello");
		EXPECT_EQ(server.log().find("6.6.6.6"), std::string::npos) << server.log();
		EXPECT_TRUE(server.says("refused reset")) << server.log();
	});
}

TEST_P(Node, a_process_that_may_not_ask_refuses)
{
	TP_NEED_PACKAGES();
	in_sandbox([&](Sandbox &box) {
		Agent agent = start_agent(box);
		nlohmann::json options = asking(box);

		options["strict"] = false;
		NodeServer server({ .options = options, .uid = 65534 });
		Haproxy haproxy(box, served_port, "send-proxy-v2");

		EXPECT_EQ(ask(forged).text, "");
		EXPECT_TRUE(server.says("refused cannot_ask")) << server.log();
		EXPECT_TRUE(server.says("truepeer cannot be asked")) << server.log();
	});
}

INSTANTIATE_TEST_SUITE_P(Apps, Node, testing::ValuesIn(engines()),
			 [](const auto &parameter) { return parameter.param; });

} // namespace live
