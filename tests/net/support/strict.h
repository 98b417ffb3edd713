/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connection tracking that takes no connection in its middle (nf_conntrack_tcp_loose=0), on the host with truepeer and
 * on a router before it, with counters of what they find invalid.
 *
 *	host (2,2) ---- (2,1) router (1,1) ---- (1,2) client
 *
 * The router sees the numbers of the wire.  The host sees those of its TCP, because netfilter stands between it and tc.
 */
#ifndef TP_TESTS_SUPPORT_STRICT_H
#define TP_TESTS_SUPPORT_STRICT_H

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lab_topology.h"
#include "lab_world.h"

namespace live
{

/* A connection: the client's side, and the server's once it is accepted. */
struct Talk {
	uint16_t port; /* that the header announces */
	std::string head;
	Client client;
	Socket server = {};

	void ask(const std::string &bytes) const;    /* from client to server, who reads it */
	void answer(const std::string &bytes) const; /* and back */
	void end();                                  /* the client first */
};

using Talks = std::vector<Talk>;

class StrictNetwork
{
public:
	/* Starts the agent and the service, with further arguments. */
	explicit StrictNetwork(LabWorld &w, const std::vector<std::string> &agent = {});

	const Host &client() const { return *site_.client; }
	LabWorld &world() { return w_; }
	size_t names() const { return names_; } /* right ones, of accepted connections */
	size_t begun() const { return begun_; }

	Talks open(size_t connections);
	/* As many as are in the list, each under the name that its header announces. */
	void accept(Talks &talks);
	/*
	 * What the router drops while `body` runs: before it has tracked the packet, as if it were lost on the way there,
	 * or behind that.
	 */
	void losing(const std::string &before, const std::string &behind,
		    const std::function<void()> &body) const;

	/* Nothing was invalid yet, anywhere. */
	void expect_all_valid(const std::string &after) const;
	/* A connection that began before they tracked is, so they do count.  To be asked last. */
	void expect_counting() const;
	std::string figures() const; /* how many packets were tracked, and where */

private:
	using Counts = std::map<std::string, uint64_t>; /* by hook */
	static Counts count(const Host &host, const std::string &what);
	static void track(const Host &host);

	LabWorld &w_;
	Site site_;
	const Host &router_;
	Socket listener_;
	Client untracked_;
	Socket untracked_server_;
	uint16_t port_ = 10000;
	size_t begun_ = 0, names_ = 0;
};

} // namespace live

#endif
