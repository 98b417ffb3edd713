// SPDX-License-Identifier: BSD-2-Clause
#include "pair.h"

namespace live
{

struct Parts {
	std::string header, before, after; /* accept() */
};

static void one(const World &w, const char *name, const Endpoint &to, const Parts &parts,
		const PairBody &body)
{
	SCOPED_TRACE(name);
	Socket listener = listen_on(to);
	Client client(to, w.proxy);

	ASSERT_EQ(client.error(), 0);
	ASSERT_TRUE(client.send(parts.header + parts.before));
	Accepted a = accept_from(listener);
	set_timeout(a.socket.fd(), 3s);
	ASSERT_TRUE(client.send(parts.after));
	if (!(parts.before + parts.after).empty()) {
		ASSERT_TRUE(polls_readable(a.socket.fd(), scaled(2s)));
	}
	Pair pair = { std::move(client), std::move(a.socket) };
	body(pair);
}

void everywhere(const Case &c, const std::string &early, const PairBody &body)
{
	run_world(c, { .start_server = false }, [&](World &w) {
		Endpoint other = endpoint(w.service.host(), 8081);
		std::string header = w.header(2);

		one(w, "plain TCP", other, { "", "", early }, body);
		if (early.empty()) {
			one(w, "after the header", w.service, { header, "", "" }, body);
			w.connections += 1;
			return;
		}
		one(w, "payload with the header", w.service, { header, early, "" }, body);
		one(w, "payload after the header", w.service, { header, "", early }, body);
		w.connections += 2;
	});
}

} // namespace live
