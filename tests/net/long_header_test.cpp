// SPDX-License-Identifier: BSD-2-Clause
/* Headers up to the limit that --max-header sets, and beyond it. */
#include <nlohmann/json.hpp>
#include <truepeer/truepeer.hpp>

#include "support/live.h"
#include "tests/unit/header_cases.hpp"

namespace live
{

class LongHeader : public Live
{
protected:
	/* No two parts of it are alike, so that none can stand in another's place. */
	static std::string certificate(size_t size)
	{
		std::string bytes(size, '\0');

		for (size_t i = 0; i < size; i++)
			bytes[i] = (char)(i * 31 + i / 251 + i / 1920 * 7);
		return bytes;
	}

	/* Of exactly this size: a client certificate, as HAProxy sends it, and a checksum. */
	static std::string header(const World &w, size_t size)
	{
		size_t fixed = 16 + (w.c.ipv6 ? 36 : 12) + 3 + 5 + 3 + 7;
		std::string ssl("\x07\0\0\0\0\x28", 6), rest = certificate(size - fixed);
		V2 h;

		h.source = w.origin_host;
		h.source_port = 4242;
		h.destination = w.destination_host;
		h.tlvs = { { 0x20, ssl + be16(rest.size()) + rest } };
		h.checksum = true;
		EXPECT_EQ(h.bytes().size(), size);
		return h.bytes();
	}

	static nlohmann::json decoded(const std::string &bytes, const std::string &limit)
	{
		Finished finished = run({ build_path("truepeer"), "decode", "--max-header", limit },
					{ .input = bytes });

		return nlohmann::json::parse(finished.out);
	}

	/* Through the library and the commands, byte for byte. */
	static void expect_kept(World &w, const Session &session, const std::string &header)
	{
		auto lookup = truepeer::Lookup::open(w.agent->pin_dir());
		char text[32];

		snprintf(text, sizeof(text), "sk:%llx", (unsigned long long)session.cookie);
		ASSERT_TRUE(lookup);
		auto kept = lookup->header(session.cookie);
		ASSERT_TRUE(kept);
		EXPECT_TRUE(std::string(kept->bytes().begin(), kept->bytes().end()) == header)
			<< kept->bytes().size() << " bytes, and not those that were sent";
		nlohmann::json expected = decoded(header, "16384").at("tlvs");
		EXPECT_TRUE(w.agent->json({ "lookup", text }).at("tlvs") == expected);
		bool listed = false;
		for (const nlohmann::json &one : w.agent->json({ "connections", "--tlvs" }))
			listed |= one.at("cookie") == text &&
				  one.value("tlvs", nlohmann::json()) == expected;
		EXPECT_TRUE(listed);
	}

	/* Headers of these sizes, sent as `cutting` says, on a connection each. */
	static void
	expect_served(World &w, const std::vector<size_t> &sizes,
		      const std::function<std::vector<std::string>(std::string)> &cutting)
	{
		std::string payload = certificate(100'000);

		for (size_t size : sizes) {
			SCOPED_TRACE(size);
			std::string bytes = header(w, size);
			size_t index = w.server->count();
			Client client = w.connect();

			ASSERT_TRUE(client.send(cutting(bytes + payload), 5ms));
			w.expect_session(index, w.origin(), payload);
			expect_kept(w, w.server->sessions().at(index), bytes);
			client.close();
			EXPECT_TRUE(w.server->wait_done(index + 1));
			EXPECT_TRUE(eventually(
				[&] { return w.agent->entries("tp_headers_large") == 0; }));
			EXPECT_EQ(w.agent->entries("tp_pieces"), 0u);
		}
	}

	/* One more, whose reset may come before the last piece of it is sent. */
	static void expect_too_long(World &w, const std::vector<std::string> &parts, uint64_t n)
	{
		size_t before = w.server->count();
		Client client = w.connect();
		bool sent = client.send(parts, 5ms);

		EXPECT_TRUE(!sent || client.receive(1, 3s).end == End::reset);
		EXPECT_TRUE(w.agent->counts("too_long", n))
			<< nlohmann::json(w.agent->counters()).dump();
		EXPECT_EQ(w.server->count(), before);
		EXPECT_EQ(w.agent->entries("tp_headers_large"), 0u);
		EXPECT_EQ(w.agent->entries("tp_pieces"), 0u);
	}

	static WorldOptions up_to(const std::string &limit)
	{
		return { .agent = { "--max-header", limit } };
	}
};
INSTANTIATE_TEST_SUITE_P(Live, LongHeader, testing::ValuesIn(cases({ ServerKind::blocking })),
			 case_name);

static std::vector<std::string> in_one(const std::string &bytes)
{
	return { bytes };
}

TEST_P(LongHeader, over_4096_bytes_is_refused_by_default)
{
	live([&](World &w) {
		expect_served(w, { 241, 1920, 1921, 4096 }, in_one);
		expect_too_long(w, { header(w, 4097) + "hello" }, 1);
		expect_too_long(w, cut(header(w, 4097) + "hello", { 15, 16, 4000 }), 2);
		expect_served(w, { 4096 },
			      [](const auto &all) { return cut(all, { 15, 1920, 4095, 4096 }); });
	});
}

TEST_P(LongHeader, up_to_16384_bytes_in_one_write_is_served)
{
	live(up_to("16384"), [&](World &w) {
		expect_served(w, { 4097, 5090, 10670, 16384 }, in_one);
		expect_too_long(w, { header(w, 16385) + "hello" }, 1);
	});
}

TEST_P(LongHeader, up_to_16384_bytes_in_segments_of_1448_is_served)
{
	live(up_to("16384"), [&](World &w) {
		expect_served(w, { 5090, 10670, 16384 }, [](const std::string &all) {
			return cut(all, { 1448, 2896, 4344, 5792, 7240, 8688, 10136, 11584, 13032,
					  14480, 15928, 17376 });
		});
		expect_too_long(w, pieces(header(w, 16385), 1448), 1);
	});
}

/* At and around the borders of what is copied and kept at a time. */
TEST_P(LongHeader, up_to_16384_bytes_in_any_pieces_is_served)
{
	live(up_to("16384"), [&](World &w) {
		expect_served(w, { 16384 }, [](const std::string &all) {
			return cut(all, { 1, 13, 15, 16, 1919, 1921, 4095, 4097, 16383 });
		});
		expect_served(w, { 16384 }, [](const std::string &all) {
			return cut(all, { 3840, 12000, 16384 });
		});
		expect_served(w, { 5090, 10670 },
			      [](const std::string &all) { return cut(all, { 14, 5000 }); });
		expect_too_long(w, cut(header(w, 16385), { 8, 12000 }), 1);
	});
}

/* A header alone: nothing comes behind it that could bring the connection about. */
TEST_P(LongHeader, alone_is_served)
{
	live({ .server = { .banner = "welcome" }, .agent = { "--max-header", "16384" } },
	     [&](World &w) {
		     for (size_t size : { 5090, 10670, 16384 }) {
			     Client client = w.connect();

			     ASSERT_TRUE(client.send(header(w, size)));
			     EXPECT_EQ(client.receive(7).bytes, "welcome") << size;
		     }
	     });
}

TEST_P(LongHeader, limit_may_be_below_the_default)
{
	live(up_to("536"), [&](World &w) {
		expect_served(w, { 536 }, in_one);
		expect_too_long(w, { header(w, 537) + "hello" }, 1);
		expect_too_long(w, cut(header(w, 537) + "hello", { 100, 536 }), 2);
	});
}

/* The outcome that the service must count for what decode says. */
static std::string outcome_of(const nlohmann::json &decoded, size_t bytes)
{
	std::string verdict = decoded.at("verdict");

	if (verdict == "wait")
		return bytes ? "truncated" : "empty";
	if (verdict == "reject" || verdict == "no-header")
		return decoded.at("reason");
	if (decoded.at("version") == 1)
		return decoded.at("transport") == "unspec" ? "accepted_v1_unknown" :
							     "accepted_v1_proxy";
	return "accepted_v2_" + decoded.at("command").get<std::string>();
}

/* IPv6, where every origin has a name: one of IPv6 has none on an IPv4 socket. */
class DecodeAndService : public LongHeader
{
};
INSTANTIATE_TEST_SUITE_P(Live, DecodeAndService, testing::ValuesIn([] {
				 std::vector<Case> all = cases({ ServerKind::blocking });
				 std::erase_if(all, [](const Case &c) { return !c.ipv6; });
				 return all;
			 }()),
			 case_name);

/* decode explains what a service does with the same bytes. */
TEST_P(DecodeAndService, decide_every_header_alike)
{
	live({ .agent = { "--max-header", "5090" }, .timeout = 120s }, [&](World &w) {
		std::vector<std::string> inputs = { header(w, 5090), header(w, 5091) };
		Counters expected;

		for (const test::HeaderCase &row : test::header_cases())
			inputs.emplace_back(row.bytes.begin(), row.bytes.end());
		for (const std::string &input : inputs) {
			std::string outcome = outcome_of(decoded(input, "5090"), input.size());
			Client client = w.connect();

			client.send(input);
			client.finish();
			EXPECT_TRUE(w.agent->counts(outcome, ++expected[outcome], 1s))
				<< outcome << " of " << input.size()
				<< " bytes: " << nlohmann::json(w.agent->counters()).dump();
			if (HasFailure())
				return;
		}
		EXPECT_GE(expected["too_long"], 2u);
	});
}

} // namespace live
