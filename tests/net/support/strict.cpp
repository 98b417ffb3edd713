// SPDX-License-Identifier: BSD-2-Clause
#include <nlohmann/json.hpp>

#include "strict.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace live
{

/* ---- a connection -------------------------------------------------------------------- */

void Talk::ask(const std::string &bytes) const
{
	EXPECT_TRUE(client.send(bytes));
	EXPECT_EQ(receive_exactly(server.fd(), bytes.size()), bytes) << "of connection " << port;
}

void Talk::answer(const std::string &bytes) const
{
	EXPECT_EQ(send(server.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
		  (ssize_t)bytes.size());
	EXPECT_EQ(client.receive(bytes.size()).bytes, bytes) << "of connection " << port;
}

void Talk::end()
{
	client.close();
	EXPECT_EQ(receive_exactly(server.fd(), 1), "");
	server.close();
}

/* ---- the network ----------------------------------------------------------------------- */

static const std::vector<std::string> hooks = { "prerouting", "input", "forward", "output",
						"postrouting" };

void StrictNetwork::track(const Host &host)
{
	std::string rules = "table inet strict {\n";

	for (const std::string &hook : hooks) {
		rules += " counter invalid_" + hook + " { }\n counter tracked_" + hook + " { }\n";
		rules += " chain at_" + hook + " {\n  type filter hook " + hook + " priority 0\n" +
			 "  ct state invalid counter name invalid_" + hook + "\n" +
			 "  meta l4proto tcp ct state new,established,related counter name "
			 "tracked_" +
			 hook + "\n }\n";
	}
	host.nft(rules + "}\n");
	host.sysctl("net.netfilter.nf_conntrack_tcp_loose", "0");
}

StrictNetwork::Counts StrictNetwork::count(const Host &host, const std::string &what)
{
	Finished listed = run({ "nft", "-j", "list", "counters", "table", "inet", "strict" },
			      { .netns = host.fd() });
	Counts counts;

	if (listed.code)
		throw std::runtime_error("nft: " + listed.err);
	nlohmann::json list = nlohmann::json::parse(listed.out).at("nftables");
	for (const auto &entry : list) {
		if (!entry.contains("counter"))
			continue;
		std::string name = entry["counter"]["name"];
		uint64_t packets = entry["counter"]["packets"];
		if (packets && name.rfind(what + "_", 0) == 0)
			counts[name.substr(what.size() + 1)] = packets;
	}
	return counts;
}

StrictNetwork::StrictNetwork(LabWorld &w, const std::vector<std::string> &agent)
    : w_(w), site_(w.host), router_(build_router(site_))
{
	Endpoint early = endpoint(w.at(2, 2), 8082);

	Socket listener = listen_on(early);

	untracked_ = client().connect(early);
	untracked_server_ = accept_from(listener).socket;
	for (const Host *host : { (const Host *)&w.host, &router_ })
		track(*host);
	w.start(w.at(2, 2), { .agent = agent, .start_servers = false });
	w.cgroup.inside([&] { listener_ = listen_on(w.service); });
}

Talks StrictNetwork::open(size_t connections)
{
	Talks talks;

	for (size_t i = 0; i < connections; i++) {
		uint16_t port = port_++;

		talks.push_back({ port, w_.header(port), client().connect(w_.service) });
		EXPECT_EQ(talks.back().client.error(), 0) << w_.counted();
	}
	begun_ += connections;
	return talks;
}

void StrictNetwork::accept(Talks &talks)
{
	for (size_t i = 0; i < talks.size(); i++) {
		Accepted accepted = accept_from(listener_);
		size_t number = (size_t)(uint16_t)(accepted.address.port() - talks[0].port);

		ASSERT_LT(number, talks.size()) << accepted.address.text();
		ASSERT_EQ(accepted.address.text(), w_.origin(talks[number].port));
		ASSERT_EQ(peer_of(accepted.socket.fd()).text(), accepted.address.text());
		ASSERT_FALSE(talks[number].server) << "a name that another connection has";
		talks[number].server = std::move(accepted.socket);
		names_++;
	}
}

void StrictNetwork::losing(const std::string &before, const std::string &behind,
			   const std::function<void()> &body) const
{
	router_.nft("table inet loss {\n"
		    " set seen { type inet_service; flags dynamic; size 65536; }\n"
		    " chain early {\n  type filter hook prerouting priority -400\n  " +
		    before +
		    "\n }\n chain late {\n  type filter hook postrouting priority 400\n  " +
		    behind + "\n }\n}\n");
	body();
	router_.nft("delete table inet loss\n");
}

/* ---- what they have counted --------------------------------------------------------------- */

void StrictNetwork::expect_all_valid(const std::string &after) const
{
	EXPECT_EQ(count(w_.host, "invalid"), Counts()) << "on the host, after " << after;
	EXPECT_EQ(count(router_, "invalid"), Counts()) << "on the router, after " << after;
}

void StrictNetwork::expect_counting() const
{
	untracked_.send("x");
	EXPECT_TRUE(eventually([&] { return count(w_.host, "invalid")["prerouting"] > 0; }));
	EXPECT_GT(count(router_, "invalid")["prerouting"], 0u);
}

std::string StrictNetwork::figures() const
{
	Counts host = count(w_.host, "tracked"), router = count(router_, "tracked");

	return std::to_string(begun_) + " connections, " + std::to_string(names_) +
	       " names; packets tracked: " + std::to_string(host["input"]) + " in and " +
	       std::to_string(host["output"]) + " out on the host, " +
	       std::to_string(router["forward"]) + " on the router";
}

} // namespace live
