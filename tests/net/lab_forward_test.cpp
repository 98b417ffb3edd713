// SPDX-License-Identifier: BSD-2-Clause
/*
 * A host that forwards: containers reach others through it, and its own service listens on any
 * address.  What is not for this host's own sockets is untouched.
 *
 *	outside (network 2) ---- eth0  host  br0 ---- three containers (network 3)
 */
#include "support/answer.h"
#include "support/lab_world.h"

namespace live
{

class LabForward : public Lab
{
protected:
	struct Place {
		Host outside, containers[3];

		explicit Place(LabWorld &w)
		{
			cable(w.host, "eth0", outside, "eth0");
			join(w.host, "br0", { &containers[0], &containers[1], &containers[2] },
			     "eth0");
			w.host.address("eth0", 2, 1);
			w.host.address("br0", 3, 1);
			w.host.forward();
			outside.address("eth0", 2, 2);
			outside.route(3, 2, 1);
			for (int i = 0; i < 3; i++) {
				containers[i].address("eth0", 3, 10 + i);
				containers[i].route(2, 3, 1);
			}
		}
	};

	/* `n` connections of the containers to the outside's port; how many it served. */
	static long connect_through(const LabWorld &w, const Place &place, long n, bool masquerade)
	{
		Endpoint target = endpoint(w.at(2, 2), 8080);
		long served = 0, failed = 0;
		std::unique_ptr<AnswerServer> server;

		{
			Guest there(place.outside.fd());
			server = std::make_unique<AnswerServer>(target);
		}
		for (long i = 0; i < n && failed < 5; i++) {
			/* what looks like a header is the containers' own business */
			std::string line = (i % 2 ? "PROXY TCP4 " : "GET ") + std::to_string(i);
			Client client = place.containers[i % 3].connect(target, {}, 1s);
			Endpoint own = client.fd() < 0 ? Endpoint() : name_of(client.fd());

			client.send(line + "\n");
			Received answer = client.receive_all(2s);
			bool right = masquerade ? answer.bytes.find(line) != std::string::npos &&
							  answer.bytes.find(w.at(2, 1)) !=
								  std::string::npos :
						  answer.bytes == answer_to(line, own.text());
			served += right;
			if (!right && failed++ == 0)
				ADD_FAILURE() << "connection " << i << ": error " << client.error()
					      << ", end " << (int)answer.end << ", " << answer.bytes
					      << " " << w.counted();
		}
		return served;
	}

	static const char *masquerade()
	{
		return "table inet nat {\n chain out {\n"
		       "  type nat hook postrouting priority 100\n"
		       "  oifname \"eth0\" masquerade\n }\n}\n";
	}
	static LabOptions any_address(const LabWorld &w, bool listener)
	{
		return { .listen = w.ipv6 ? "[::]:8080" : "0.0.0.0:8080",
			 .trust = { network(2, w.ipv6), network(3, w.ipv6) },
			 .start_servers = listener };
	}
};
TP_INSTANTIATE_LAB(LabForward, false);

static long how_many()
{
	return number_from_environment("TP_FORWARDED_CONNECTIONS", 1000);
}

TEST_P(LabForward, outgoing_connections_of_containers_are_left_alone)
{
	lab([](LabWorld &w) {
		Place place(w);

		w.start(w.ipv6 ? "::" : "0.0.0.0", any_address(w, false));
		EXPECT_EQ(connect_through(w, place, how_many(), false), how_many());
		w.expect_untouched();
	});
}

/* The host's own server has the same port; it gets what is sent to the host, and no more. */
TEST_P(LabForward, outgoing_connections_beside_a_listener_are_left_alone)
{
	lab([](LabWorld &w) {
		Place place(w);

		w.start(w.ipv6 ? "::" : "0.0.0.0", any_address(w, true));
		EXPECT_EQ(connect_through(w, place, how_many(), false), how_many());
		w.expect_untouched();
		EXPECT_EQ(w.server->count(), 0u);
		for (int network : { 2, 3 }) { /* on both of its addresses */
			const Host &from = network == 2 ? place.outside : place.containers[0];
			Client client = from.connect(endpoint(w.at(network, 1), 8080));

			EXPECT_EQ(client.error(), 0);
			client.send(w.header() + "hello");
			w.expect_session((size_t)network - 2, w.origin(), "hello");
		}
	});
}

TEST_P(LabForward, outgoing_connections_behind_masquerade_are_left_alone)
{
	lab([](LabWorld &w) {
		Place place(w);

		w.host.nft(masquerade());
		w.start(w.ipv6 ? "::" : "0.0.0.0", any_address(w, true));
		EXPECT_EQ(connect_through(w, place, how_many(), true), how_many());
		w.expect_untouched();
		EXPECT_EQ(w.server->count(), 0u);
	});
}

/* A published port: the proxy's connection to the host ends in a container. */
TEST_P(LabForward, published_port_of_a_container_is_left_alone)
{
	lab([](LabWorld &w) {
		for (bool listener : { false, true }) { /* as Docker's own proxy has one */
			Place place(w);
			std::string to = w.at(3, 10);
			std::unique_ptr<Server> inside;
			LabOptions options = any_address(w, listener);

			w.host.nft("table inet nat {\n chain in {\n"
				   "  type nat hook prerouting priority -100\n"
				   "  iifname \"eth0\" tcp dport 8080 dnat " +
				   std::string(w.ipv6 ? "ip6" : "ip") + " to " +
				   (w.ipv6 ? "[" + to + "]" : to) + ":8080\n }\n}\n" +
				   masquerade());
			{
				Guest there(place.containers[0].fd());
				inside = std::make_unique<Server>(
					endpoint(w.ipv6 ? "::" : "0.0.0.0", 8080),
					ServerOptions{ .echo = true });
			}
			w.start(w.ipv6 ? "::" : "0.0.0.0", options);
			for (size_t i = 0; i < 4; i++) {
				Client client =
					place.outside.connect(endpoint(w.at(2, 1), 8080), {}, 2s);
				std::string bytes = w.header() + "hello";

				EXPECT_EQ(client.error(), 0);
				client.send(i % 2 ? cut(bytes, { 9 }) :
						    std::vector<std::string>{ bytes });
				EXPECT_EQ(client.receive(bytes.size(), 2s).bytes, bytes)
					<< w.counted();
				EXPECT_EQ(inside->wait_bytes(i, bytes.size(), 1s).accepted.host(),
					  w.at(2, 2));
			}
			w.expect_untouched();
			if (w.server) {
				EXPECT_EQ(w.server->count(), 0u);
			}
			inside->stop();
			EXPECT_EQ(w.agent->stop(), 0);
			w.agent.reset();
			w.server.reset();
			w.plain_server.reset();
			w.host.ip("link del br0\nlink del eth0\n");
			w.host.nft("flush ruleset\n");
		}
	});
}

} // namespace live
