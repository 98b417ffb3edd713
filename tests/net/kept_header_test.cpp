// SPDX-License-Identifier: BSD-2-Clause
/* What a header says beside addresses, for as long as its connection lives. */
#include <bpf/bpf.h>

#include <fstream>

#include <nlohmann/json.hpp>
#include <truepeer/truepeer.hpp>

#include "bpf/abi.h"
#include "support/live.h"

namespace live
{

class KeptHeader : public Live
{
protected:
	static std::string sub(uint8_t type, const std::string &value)
	{
		std::string bytes = { (char)type, (char)(value.size() >> 8), (char)value.size() };

		return bytes + value;
	}

	/* Everything that a header may carry. */
	static V2 full_header(const World &w)
	{
		V2 h;

		h.source = w.origin_host;
		h.source_port = 4242;
		h.destination = w.destination_host;
		h.tlvs = {
			{ 0x01, "h2" },
			{ 0x02, "example.org" },
			{ 0x05, "id-1" },
			{ 0x20, std::string("\x07\0\0\0\0", 5) + sub(0x21, "TLSv1.3") +
					sub(0x22, "client.example") + sub(0x23, "AES") +
					sub(0x24, "SHA256") + sub(0x25, "RSA2048") +
					sub(0x26, "X25519") + sub(0x27, "rsa") +
					sub(0x28, std::string("\x30\x82", 2)) },
			{ 0x30, "blue" },
			{ 0xe0, std::string("\0\0\0\0\x12\x34\x56\x78", 8) },
			{ 0xea, "\x01vpce-08d2bf15fac5001c9" },
			{ 0xee, std::string("\x01\x78\x56\x34\x12", 5) },
			{ 0xf7, std::string(100, 'm') },
		};
		h.checksum = true;
		return h;
	}

	/* As if the entries of the map were another connection's. */
	static void keep_at_another_time(World &w, const std::string &name)
	{
		int map = bpf_obj_get((w.agent->pin_dir() + "/" + name).c_str());
		std::vector<char> value(4096);
		tp_flow key;
		bool found = bpf_map_get_next_key(map, nullptr, &key) == 0;

		ASSERT_TRUE(found);
		for (; found; found = bpf_map_get_next_key(map, &key, &key) == 0) {
			ASSERT_EQ(bpf_map_lookup_elem(map, &key, value.data()), 0);
			if (name == "tp_headers")
				((tp_small_header *)value.data())->kept_ns++;
			else
				((tp_header_part *)value.data())->kept_ns++;
			ASSERT_EQ(bpf_map_update_elem(map, &key, value.data(), BPF_EXIST), 0);
		}
		close(map);
	}

	/* What `truepeer decode` says of the same bytes. */
	static nlohmann::json decoded(const std::string &header)
	{
		Finished finished = run({ build_path("truepeer"), "decode" }, { .input = header });

		return nlohmann::json::parse(finished.out);
	}

	void expect_tlvs(World &w, size_t index, const std::string &header,
			 uint64_t *cookie = nullptr)
	{
		Session session = w.server->sessions().at(index);
		char text[32];

		snprintf(text, sizeof(text), "sk:%llx", (unsigned long long)session.cookie);
		nlohmann::json expected = decoded(header).at("tlvs");
		nlohmann::json found = w.agent->json({ "lookup", text });
		EXPECT_EQ(found.at("tlvs"), expected);
		bool listed = false;
		for (const nlohmann::json &one : w.agent->json({ "connections", "--tlvs" }))
			listed |= one.at("cookie") == text &&
				  one.value("tlvs", nlohmann::json()) == expected;
		EXPECT_TRUE(listed);

		auto lookup = truepeer::Lookup::open(w.agent->pin_dir());
		ASSERT_TRUE(lookup);
		auto kept = lookup->header(session.cookie);
		ASSERT_TRUE(kept);
		EXPECT_EQ(std::string(kept->bytes().begin(), kept->bytes().end()), header);
		if (cookie)
			*cookie = session.cookie;
	}
};
INSTANTIATE_TEST_SUITE_P(Live, KeptHeader, crossed_cases(), case_name);

TEST_P(KeptHeader, is_there_while_the_connection_lives)
{
	live([&](World &w) {
		std::string header = full_header(w).bytes();
		Client client = w.connect(), plain = w.connect();
		uint64_t cookie = 0;

		ASSERT_GT(header.size(), (size_t)240); /* the large kind */
		ASSERT_TRUE(client.send(header + "hello"));
		w.expect_session(0, w.origin(), "hello");
		ASSERT_TRUE(plain.send(w.header(2) + "plain"));
		w.expect_session(1, w.origin(), "plain");
		expect_tlvs(w, 0, header, &cookie);
		EXPECT_EQ(w.agent->entries("tp_headers_large"), 1u);
		EXPECT_EQ(w.agent->entries("tp_headers"), 0u)
			<< "nothing for a header without TLVs";

		auto lookup = truepeer::Lookup::open(w.agent->pin_dir());
		ASSERT_TRUE(lookup);
		std::vector<truepeer::Tlv> tlvs = lookup->header(cookie)->tlvs();
		ASSERT_EQ(tlvs.size(), 9u + 8u + 1u);
		EXPECT_EQ(tlvs[1].text(), "example.org");
		EXPECT_EQ(tlvs[4].type, TRUEPEER_TLV_SSL_VERSION);
		EXPECT_EQ(tlvs[4].text(), "TLSv1.3");
		EXPECT_EQ(tlvs[17].type, TRUEPEER_TLV_CRC32C);
		EXPECT_TRUE(lookup->header(w.server->sessions()[1].cookie)->bytes().empty());
		EXPECT_EQ(lookup->header(1).error(), truepeer::Errc::not_found);

		client.close();
		EXPECT_TRUE(w.server->wait_done(1));
		EXPECT_TRUE(eventually([&] { return w.agent->entries("tp_headers_large") == 0; }));
	});
}

/* Of the client's own bytes nothing may stay behind where a group can read it. */
TEST_P(KeptHeader, holds_nothing_of_the_payload)
{
	live([&](World &w) {
		V2 h;

		h.source = w.origin_host;
		h.source_port = 4242;
		h.destination = w.destination_host;
		h.tlvs = { { 0x02, "example.org" } };
		std::string header = h.bytes(), secret(3000, 'S');
		Client client = w.connect();
		ASSERT_TRUE(client.send(header + secret));
		w.expect_session(0, w.origin(), secret);
		expect_tlvs(w, 0, header);

		int map = bpf_obj_get((w.agent->pin_dir() + "/tp_headers").c_str());
		char key[48], value[256];
		ASSERT_EQ(bpf_map_get_next_key(map, nullptr, key), 0);
		ASSERT_EQ(bpf_map_lookup_elem(map, key, value), 0);
		close(map);
		EXPECT_EQ(std::string(value, header.size()), header);
		EXPECT_EQ(std::string(value + header.size(), 240 - header.size()),
			  std::string(240 - header.size(), '\0'));
	});
}

TEST_P(KeptHeader, in_pieces_is_kept_whole)
{
	live([&](World &w) {
		std::string header = full_header(w).bytes();
		Client client = w.connect();

		ASSERT_TRUE(client.send(cut(header + "hello", { 14, 100, header.size() - 1 })));
		w.expect_session(0, w.origin(), "hello");
		expect_tlvs(w, 0, header);
	});
}

/* Around the limit between the two kinds, and the largest header that there may be. */
TEST_P(KeptHeader, of_any_size_is_kept_whole)
{
	live([&](World &w) {
		size_t fixed = 16 + (w.c.ipv6 ? 36 : 12) + 3, index = 0;

		for (size_t size : { fixed, (size_t)239, (size_t)240, (size_t)241, (size_t)4096 }) {
			V2 h;
			Client client = w.connect();

			h.source = w.origin_host;
			h.source_port = 4242;
			h.destination = w.destination_host;
			h.tlvs = { { 0xf0, std::string(size - fixed, 'x') } };
			ASSERT_EQ(h.bytes().size(), size);
			ASSERT_TRUE(client.send(h.bytes() + "hello"));
			w.expect_session(index, w.origin(), "hello");
			expect_tlvs(w, index++, h.bytes());
			client.close();
			EXPECT_TRUE(w.server->wait_done(index));
		}
	});
}

TEST_P(KeptHeader, tells_the_paths_of_unix_addresses)
{
	live([&](World &w) {
		V2 h;
		Client client = w.connect();

		h.source = "/run/client.socket";
		h.destination = "/run/server.socket";
		ASSERT_TRUE(client.send(h.bytes() + "hello"));
		w.expect_session(0, name_of(client.fd()).text(), "hello");
		auto lookup = truepeer::Lookup::open(w.agent->pin_dir());
		ASSERT_TRUE(lookup);
		auto peer = lookup->by_cookie(w.server->sessions()[0].cookie);
		ASSERT_TRUE(peer);
		EXPECT_EQ(truepeer::to_string(peer->origin), "unix:/run/client.socket");
		EXPECT_EQ(truepeer::to_string(peer->destination), "unix:/run/server.socket");
		nlohmann::json all = w.agent->json({ "connections", "--tlvs" });
		EXPECT_EQ(all.at(0).at("origin"), "unix:/run/client.socket");
	});
}

/*
 * A connection may end between the look-up of its record and that of its header, and its flow may
 * have another one by then: when a header was kept tells whose it is.
 */
TEST_P(KeptHeader, of_the_flows_next_connection_is_not_this_ones)
{
	live([&](World &w) {
		for (size_t index : { 0, 1, 2 }) {
			V2 h;
			Client client = w.connect();

			h.source = index == 2 ? "/run/client.socket" : w.origin_host;
			h.destination = index == 2 ? "/run/server.socket" : w.destination_host;
			h.tlvs = { { 0x02, std::string(index == 1 ? 2000 : 9, 'x') } };
			ASSERT_TRUE(client.send(h.bytes() + "hello"));
			ASSERT_TRUE(w.server->wait_accepted(index + 1));
			w.server->wait_bytes(index, 5);
			auto lookup = truepeer::Lookup::open(w.agent->pin_dir());
			ASSERT_TRUE(lookup);
			uint64_t cookie = w.server->sessions()[index].cookie;
			ASSERT_TRUE(lookup->header(cookie));
			keep_at_another_time(w, index == 0 ? "tp_headers" : "tp_headers_large");
			EXPECT_FALSE(lookup->header(cookie));
			EXPECT_EQ(bool(lookup->by_cookie(cookie)), index != 2);
			size_t seen = 0;
			for (const truepeer::Peer &peer : *lookup->connections())
				seen += peer.cookie == cookie;
			EXPECT_EQ(seen, index != 2 ? 1u : 0u);
			for (const auto &one : w.agent->json({ "connections", "--tlvs" }))
				EXPECT_FALSE(one.contains("tlvs")) << one.dump();
			client.close();
			EXPECT_TRUE(w.server->wait_done(index + 1));
		}
	});
}

/* Measured by the kernel, which counts that way since Linux 6.4. */
TEST_P(KeptHeader, without_tlvs_a_connection_costs_at_most_512_bytes)
{
	if (!kernel_is_at_least(6, 4))
		GTEST_SKIP() << "the kernel counts only since Linux 6.4";
	live([&](World &w) {
		const unsigned count = 400;
		std::vector<Client> clients;
		/* taken at the start; the agent in tests has this room, and 16384 waiting */
		uint64_t reserved = w.agent->map_memory("tp_origins") / (8192 + 16384);
		uint64_t before = w.agent->map_memory();

		for (unsigned i = 0; i < count; i++) {
			clients.push_back(w.connect());
			ASSERT_TRUE(clients.back().send(w.header(2) + "x"));
		}
		ASSERT_TRUE(w.server->wait_accepted(count));
		ASSERT_TRUE(eventually([&] { return w.agent->entries("tp_origins") == count; }));
		uint64_t each = reserved + (w.agent->map_memory() - before) / count;
		EXPECT_LE(each, 512u);
		EXPECT_GE(each, sizeof(uint64_t) + 128) << "this kernel does not tell";
		printf("%llu bytes for each connection\n", (unsigned long long)each);
		std::fflush(stdout);
	});
}

} // namespace live
