// SPDX-License-Identifier: BSD-2-Clause
/* The C++ example server with epoll: what it says of headers with TLVs, by kernel and by maps. */
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "../net/support/live.h"

namespace live
{

class EpollExample : public testing::TestWithParam<bool>
{
protected:
	static std::string tlv(uint8_t type, const std::string &value)
	{
		std::string bytes = { (char)type, (char)(value.size() >> 8), (char)value.size() };

		return bytes + value;
	}
	/* A header with the name and the SSL TLV, if there is one. */
	static std::string header(const World &w, const std::string &name, const std::string &ssl)
	{
		V2 h;

		h.source = w.origin_host;
		h.source_port = 4242;
		h.destination = w.destination_host;
		if (!name.empty())
			h.tlvs.push_back({ 0x02, name });
		if (!ssl.empty())
			h.tlvs.push_back({ 0x20, ssl });
		return h.bytes();
	}
};
INSTANTIATE_TEST_SUITE_P(, EpollExample, testing::Bool(), [](const auto &parameter) {
	return parameter.param ? "asks_the_kernel" : "asks_the_maps";
});

TEST_P(EpollExample, says_who_the_client_is_and_how_it_came)
{
	const std::string inner = tlv(0x21, "TLSv1.3") + tlv(0x22, "client.example");
	const struct {
		std::string name, ssl, said;
	} cases[] = {
		{ "example.org", std::string("\1\0\0\0\0", 5) + tlv(0x21, "TLSv1.2"),
		  "example.org, TLSv1.2" },
		{ "example.org", std::string("\7\0\0\0\0", 5) + inner,
		  "example.org, TLSv1.3, certificate of client.example verified" },
		{ "example.org", std::string("\3\0\0\0\1", 5) + inner,
		  "example.org, TLSv1.3, certificate of client.example NOT VERIFIED" },
		{ "a\nb\x1b[m", "", "a?b?[m, no TLS" },
		{ "", "", "no name, no TLS" },
	};
	const Case any = { "translate", false, ServerKind::blocking };
	WorldOptions options = { .start_server = false };

	if (GetParam())
		options.agent = { "--getsockopt" };
	run_world(any, options, [&](World &w) {
		Process server({ build_path("examples/epoll_server"), "8080",
				 GetParam() ? "/nowhere" : w.agent->pin_dir() });
		std::string all;

		ASSERT_TRUE(eventually([&] {
			return run({ "ss", "-Hltn", "sport = 8080" }).out.find("8080") !=
			       std::string::npos;
		}));
		for (const auto &c : cases) {
			Client client = w.connect();
			std::string line = w.origin() + ": " + c.said + "\n";

			ASSERT_TRUE(client.send(header(w, c.name, c.ssl) + "hello"));
			client.finish();
			EXPECT_EQ(client.receive_all().bytes, line);
			all += line;
		}
		EXPECT_TRUE(eventually([&] { return server.out() == all; })) << server.out();
	});
}

/* A real proxy that ends TLS, and a client that asks for a name. */
TEST(EpollExampleBehindHaproxy, says_the_name_and_the_version_of_tls)
{
	in_sandbox(
		[](Sandbox &box) {
			const std::string &dir = box.dir();
			Agent agent(box, { .listen = { "127.0.0.1:8080" } });
			Process server(
				{ build_path("examples/epoll_server"), "8080", box.pin_dir() });
			Finished certificate = run(
				{ "sh", "-c",
				  "cd \"$0\" && openssl req -x509 -newkey ec -pkeyopt "
				  "ec_paramgen_curve:P-256 -nodes -subj /CN=shop.example -keyout "
				  "key -out cert && cat cert key >pem",
				  dir },
				{}, 60s);

			ASSERT_EQ(certificate.code, 0) << certificate.err;
			std::ofstream(dir + "/haproxy.cfg")
				<< "defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n"
				   " timeout server 20s\n"
				   "frontend f\n bind 127.0.0.1:8443 ssl crt "
				<< dir
				<< "/pem\n default_backend b\nbackend b\n server s 127.0.0.1:8080 "
				   "send-proxy-v2-ssl proxy-v2-options authority\n";
			Process haproxy({ "haproxy", "-q", "-db", "-f", dir + "/haproxy.cfg" });
			ASSERT_TRUE(eventually([&] {
				std::string all = run({ "ss", "-Hltn" }).out;

				return all.find(":8443 ") != std::string::npos &&
				       all.find(":8080 ") != std::string::npos;
			})) << haproxy.err();
			for (const char *version : { "TLSv1.2", "TLSv1.3" }) {
				std::string option =
					version == std::string("TLSv1.2") ? "-tls1_2" : "-tls1_3";
				Finished client =
					run({ "openssl", "s_client", "-connect", "127.0.0.1:8443",
					      "-servername", "shop.example", "-quiet", option });

				EXPECT_NE(client.out.find(std::string(": shop.example, ") +
							  version + "\n"),
					  std::string::npos)
					<< client.out << client.err << server.out();
				EXPECT_TRUE(client.out.starts_with("127.0.0.1:")) << client.out;
			}
			haproxy.signal(SIGKILL);
			EXPECT_TRUE(haproxy.wait(10s).has_value());
			server.signal(SIGKILL);
			EXPECT_TRUE(server.wait(10s).has_value());
			expect_clean_stop(agent);
		},
		90s);
}

} // namespace live
