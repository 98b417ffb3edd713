// SPDX-License-Identifier: BSD-2-Clause
/*
 * CRC32C against the published vectors and against its definition, bit by bit.
 */
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include <linux/types.h>

#include "bpf/parser/crc32c.h"

namespace
{

std::uint32_t crc32c(const std::vector<std::uint8_t> &bytes)
{
	std::uint32_t crc = 0xffffffff;

	for (std::uint8_t byte : bytes)
		crc = tp_crc32c_byte(crc, byte);
	return ~crc;
}

std::vector<std::uint8_t> counting(int first, int step)
{
	std::vector<std::uint8_t> bytes;

	for (int i = 0; i < 32; i++)
		bytes.push_back(static_cast<std::uint8_t>(first + i * step));
	return bytes;
}

TEST(Crc32c, GivesTheCheckValue)
{
	std::string digits = "123456789";

	EXPECT_EQ(crc32c({ digits.begin(), digits.end() }), 0xe3069283u);
}

// RFC 3720, appendix B.4
TEST(Crc32c, GivesTheVectorsOfRfc3720)
{
	EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0x00)), 0x8a9136aau);
	EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0xff)), 0x62a8ab43u);
	EXPECT_EQ(crc32c(counting(0, 1)), 0x46dd794eu);
	EXPECT_EQ(crc32c(counting(31, -1)), 0x113fdb5cu);
	const std::vector<std::uint8_t> read_command = {
		0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
		0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	};
	EXPECT_EQ(crc32c(read_command), 0xd9963a56u);
}

TEST(Crc32c, TableFollowsFromThePolynomial)
{
	for (std::uint32_t i = 0; i < 256; i++) {
		std::uint32_t entry = i;

		for (int bit = 0; bit < 8; bit++)
			entry = entry & 1 ? entry >> 1 ^ 0x82f63b78u : entry >> 1;
		EXPECT_EQ(tp_crc32c_table[i], entry) << "entry " << i;
	}
}

} // namespace
