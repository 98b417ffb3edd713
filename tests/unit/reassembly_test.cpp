// SPDX-License-Identifier: BSD-2-Clause
/* How much the agent keeps of headers in pieces, whatever is sent. */
#include <gtest/gtest.h>

#include <cstring>

#include "agent/reassembly.h"

namespace
{

const char beginning[] = "PROXY TCP4 ";

class Reassembly : public testing::Test
{
protected:
	Reassembly() : sender_(tp::SegmentSender::open()) {}

	/* `offset` bytes behind the first; 127.0.0.1 throws the acknowledgements away. */
	void take(uint32_t client, uint32_t offset, const std::vector<uint8_t> &bytes)
	{
		tp_piece piece = {};
		tp_flow &flow = piece.action.flow;

		for (uint8_t *address : { flow.remote, flow.local }) {
			const uint8_t mapped[] = { 0xff, 0xff, 127, 0, 0, 1 };

			std::memcpy(address + 10, mapped, sizeof(mapped));
		}
		std::memcpy(flow.remote + 13, &client, 2);
		flow.remote_port = (uint16_t)(client >> 16) + 1;
		flow.local_port = 1;
		piece.start = 1000;
		piece.action.seq = piece.start + offset;
		piece.action.service = 7;
		piece.length = (uint32_t)bytes.size();
		ASSERT_TRUE(sender_);
		EXPECT_TRUE(reassembler_.take(*sender_, piece, bytes));
	}

	tp::Result<tp::SegmentSender> sender_;
	tp::Reassembler reassembler_;
};

TEST_F(Reassembly, memory_is_bounded_over_all_connections)
{
	const size_t most = 64u << 20;
	std::vector<uint8_t> large(2000, 'x');

	/* behind a gap, so that nothing is decided: 16,000 times 60 segments would be 2 GB */
	for (uint32_t client = 0; client < 16'000; client++)
		for (uint32_t i = 0; i < (client < 1000 ? 60u : 1u); i++)
			take(client, 1 + i, large);
	EXPECT_LE(reassembler_.memory(), most);
	EXPECT_GT(reassembler_.memory(), most / 4);
	auto lost = reassembler_.take_lost();
	ASSERT_EQ(lost.size(), 1u);
	EXPECT_GT(lost[7], 10'000u);
	EXPECT_TRUE(reassembler_.take_lost().empty());
	/* who sends in order has room all the same */
	std::vector<uint8_t> first(beginning, beginning + sizeof(beginning) - 1);
	for (uint32_t client = 20'000; client < 20'100; client++)
		take(client, 0, first);
	EXPECT_TRUE(reassembler_.take_lost().empty());
}

TEST_F(Reassembly, memory_goes_with_the_connection)
{
	take(1, 0, std::vector<uint8_t>(beginning, beginning + sizeof(beginning) - 1));
	take(1, 500, std::vector<uint8_t>(1000, 'x'));
	EXPECT_GT(reassembler_.memory(), 1000u);
	/* no map: nothing is found in it */
	EXPECT_TRUE(reassembler_.tick([](uint64_t) { return nullptr; }, -1));
	EXPECT_EQ(reassembler_.memory(), 0u);
}

} // namespace
