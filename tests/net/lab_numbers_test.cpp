// SPDX-License-Identifier: BSD-2-Clause
/*
 * A client of the kernel's, and a router that loses segments: what the server puts on the client's wire behind the
 * translate engine is what a server could that reads the header itself.
 */
#include <sys/socket.h>

#include <cstdio>
#include <optional>

#include "support/lab_topology.h"
#include "support/lab_world.h"
#include "support/numbers.h"
#include "support/tap.h"
#include "support/thread.h"

namespace live
{

class LabNumbers : public Lab
{
};
INSTANTIATE_TEST_SUITE_P(Lab, LabNumbers,
			 testing::Values(LabCase{ "translate", false },
					 LabCase{ "translate", true }),
			 lab_name);

/* Bytes that go to the server, and back. */
static constexpr size_t upload = 3 << 20, download = 256 << 10;

/* What has passed on the client's device, from its point of view. */
static Numbers judged(const std::vector<Tapped> &passed, uint16_t port)
{
	std::optional<Numbers> numbers;

	for (const Tapped &one : passed) {
		if ((one.sent ? one.segment.destination_port : one.segment.source_port) != port)
			continue; /* what TCP still says for an earlier connection */
		if (one.sent && one.segment.has(flag::syn))
			numbers.emplace(one.segment.seq, false); /* veth has a queue for each CPU */
		if (!numbers)
			throw std::runtime_error("tap: a connection without a beginning");
		if (one.sent)
			numbers->sent(one.segment);
		else
			numbers->heard(one.segment);
	}
	return numbers ? *numbers : Numbers(0);
}

/* Sends header and payload, and receives; `reads` tells whether the server reads the header itself. */
static Numbers transfer(LabWorld &w, const Host &far, const Endpoint &to, bool reads)
{
	std::string header = w.header(), there(upload, 't'), back(download, 'b');
	Socket listener;
	Tap tap(far, "eth0");

	w.cgroup.inside([&] { listener = listen_on(to); });
	Client client = far.connect(to);
	EXPECT_EQ(client.error(), 0);
	client.send(header);
	Accepted accepted = accept_from(listener);
	if (reads) {
		EXPECT_EQ(receive_exactly(accepted.socket.fd(), header.size()), header);
	} else {
		EXPECT_EQ(accepted.address.text(), w.origin());
	}
	Thread up([&] {
		EXPECT_TRUE(client.send(there));
		client.finish();
	});
	EXPECT_TRUE(receive_exactly(accepted.socket.fd(), upload + 1) == there);
	/* at once, because the buffers of older kernels do not hold all of it */
	Thread down([&] {
		EXPECT_EQ(send(accepted.socket.fd(), back.data(), download, MSG_NOSIGNAL),
			  (ssize_t)download);
		accepted.socket.close();
	});
	Received received = client.receive_all();
	EXPECT_TRUE(received.bytes == back);
	EXPECT_EQ(received.end, End::eof);
	up.join();
	down.join();
	Numbers numbers = judged(tap.take(), to.port());
	EXPECT_EQ(numbers.wrong(), "");
	EXPECT_EQ(numbers.acknowledged(), header.size() + upload + 1);
	EXPECT_GT(numbers.edges(), 20u) << "losses";
	printf("%s, IPv%c: %zu segments, %zu edges of SACK blocks, %u acknowledged, 0 wrong\n",
	       reads ? "a server that reads the header" : "translate", w.ipv6 ? '6' : '4',
	       numbers.segments(), numbers.edges(), numbers.acknowledged());
	fflush(stdout);
	return numbers;
}

TEST_P(LabNumbers, under_losses_are_those_of_a_server_that_reads_the_header)
{
	lab([](LabWorld &w) {
		Site site(w.host);
		const Host &router = build_router(site);

		w.start(w.at(2, 2), { .start_servers = false });
		for (const Host *host : { (const Host *)&w.host, site.client })
			host->offloads("eth0", { .segmentation = false });
		router.nft("table inet loss {\n"
			   " chain forward { type filter hook forward priority 0\n"
			   "  tcp flags & (fin | syn | rst) == 0x0 numgen inc mod 31 == 0 drop\n"
			   " }\n}\n");
		Numbers plain = transfer(w, *site.client, w.plain, true);
		Numbers translated = transfer(w, *site.client, w.service, false);
		EXPECT_EQ(translated.acknowledged(), plain.acknowledged());
	});
}

} // namespace live
