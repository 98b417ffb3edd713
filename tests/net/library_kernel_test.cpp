// SPDX-License-Identifier: BSD-2-Clause
/* libtruepeer where the kernel answers, where only the maps do, and where neither does. */
#include <truepeer/truepeer.h>
#include <truepeer/truepeer.hpp>

#include "support/live.h"

namespace live
{

class LibraryKernel : public Live
{
protected:
	/* By the three ways to ask, which must agree: what they say, or the error. */
	static std::string peer(truepeer_handle *handle, int fd)
	{
		truepeer_peer found = {};

		found.size = sizeof(found);
		int error = truepeer_lookup_fd(handle, fd, &found);
		return error ? truepeer_strerror(error) :
			       std::string((const char *)&found, sizeof(found));
	}
	static std::string peer_by_cookie(truepeer_handle *handle, int fd)
	{
		truepeer_peer found = {};

		found.size = sizeof(found);
		int error = truepeer_lookup_cookie(handle, cookie_of(fd), &found);
		return error ? truepeer_strerror(error) :
			       std::string((const char *)&found, sizeof(found));
	}
	static std::string header(truepeer_handle *handle, int fd, size_t room = 16384)
	{
		std::string buffer(room + 1, 'U');
		size_t size = room;
		int error =
			truepeer_get_header_fd(handle, fd, room ? buffer.data() : nullptr, &size);

		EXPECT_EQ(buffer[room], 'U');
		if (error)
			return truepeer_strerror(error) + std::string(" ") + std::to_string(size);
		return buffer.substr(0, size);
	}
	static std::string header_of(const World &w, size_t size)
	{
		V2 h;

		h.source = w.origin_host;
		h.destination = w.destination_host;
		h.tlvs = { { 0xe1, std::string(size - (w.c.ipv6 ? 55 : 31), 'x') } };
		EXPECT_EQ(h.bytes().size(), size);
		return h.bytes();
	}
};
INSTANTIATE_TEST_SUITE_P(Live, LibraryKernel, crossed_cases(), case_name);

TEST_P(LibraryKernel, says_the_same_by_kernel_and_by_maps)
{
	for (bool answering : { true, false }) {
		std::vector<std::string> agent = { "--max-header", "16384" };

		if (answering)
			agent.push_back("--getsockopt");
		live({ .agent = agent, .start_server = false }, [&](World &w) {
			Socket listener = listen_on(w.service);
			truepeer_handle *handle = nullptr;
			const std::string none = "truepeer is not running";

			ASSERT_EQ(truepeer_open(w.agent->pin_dir().c_str(), &handle), TRUEPEER_OK);
			for (size_t size : { 100, 300, 4096, 4097, 16384 }) {
				Client client = w.connect();
				std::string sent = header_of(w, size);

				ASSERT_TRUE(client.send(sent + "hello"));
				Accepted a = accept_from(listener);
				int fd = a.socket.fd();
				std::string by_maps = peer_by_cookie(handle, fd);
				EXPECT_EQ(by_maps.size(), sizeof(truepeer_peer)) << by_maps;
				EXPECT_TRUE(peer(handle, fd) == by_maps);
				EXPECT_TRUE(peer(nullptr, fd) == (answering ? by_maps : none));
				EXPECT_TRUE(header(handle, fd) == sent);
				EXPECT_TRUE(header(handle, fd, size) == sent);
				for (size_t room : { size - 1, (size_t)0 })
					EXPECT_EQ(header(handle, fd, room),
						  "invalid argument " + std::to_string(size));
				EXPECT_TRUE(header(nullptr, fd) ==
					    (answering ? sent : none + " 16384"));
				EXPECT_EQ(bool(truepeer::peer(fd)), answering);
				EXPECT_EQ(bool(truepeer::header(fd)), answering);
			}
			Client client = w.connect();
			ASSERT_TRUE(client.send(w.header(1) + "hello"));
			Accepted a = accept_from(listener);
			EXPECT_EQ(header(handle, a.socket.fd()), "");
			EXPECT_EQ(peer(handle, listener.fd()), "not a truepeer connection");
			EXPECT_EQ(peer(nullptr, listener.fd()),
				  answering ? "not a truepeer connection" : none);
			EXPECT_EQ(peer(handle, -1), "invalid argument");
			EXPECT_EQ(peer(nullptr, -1), "invalid argument");
			EXPECT_EQ(header(nullptr, -1), "invalid argument 16384");
			truepeer_close(handle);
		});
	}
}

/* Asking takes no handle, so not even the maps have to be there. */
TEST_P(LibraryKernel, nobody_asks_without_a_handle)
{
	live({ .agent = { "--getsockopt" }, .start_server = false }, [](World &w) {
		Socket listener = listen_on(w.service);
		Client client = w.connect();

		ASSERT_TRUE(client.send(header_of(w, 300) + "hello"));
		Accepted a = accept_from(listener);
		std::string pins = w.agent->pin_dir();
		ASSERT_EQ(rename(pins.c_str(), (pins + "-hidden").c_str()), 0);
		EXPECT_EQ(peer(nullptr, a.socket.fd()).size(), sizeof(truepeer_peer));
		EXPECT_TRUE(header(nullptr, a.socket.fd()) == header_of(w, 300));
		ASSERT_EQ(rename((pins + "-hidden").c_str(), pins.c_str()), 0);
	});
}

} // namespace live
