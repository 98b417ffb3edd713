// SPDX-License-Identifier: BSD-2-Clause
/*
 * A reload changes the policies of a service one after the other, while connections come. None of
 * them may meet a policy that neither the old nor the new setup gives its source.
 */
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "agent/load/services.h"

namespace tp
{

/* Networks of 0 to 4 bits, of addresses that have no more bits than that. */
static Network network(uint32_t bits, uint32_t value)
{
	Network network = {};

	network.bits = bits;
	network.address.bytes[0] = (uint8_t)(value << (8 - bits));
	return network;
}

using Rules = std::map<Network, uint32_t>;

/* What the map of the programs says: the longest prefix, and reject without any. */
static uint32_t policy_of(const Rules &rules, uint32_t address)
{
	for (uint32_t bits = 5; bits-- > 0;) {
		auto rule = rules.find(network(bits, address >> (4 - bits)));

		if (rule != rules.end())
			return rule->second;
	}
	return TP_POLICY_REJECT;
}

class PolicySteps : public testing::Test
{
protected:
	Rules random_rules()
	{
		Rules rules;

		for (unsigned count = random_() % 8; count > 0; count--) {
			uint32_t bits = random_() % 5;

			rules[network(bits, random_() % (1u << bits))] = random_() % 5;
		}
		return rules;
	}
	static ServiceSetup service(const Rules &rules)
	{
		ServiceSetup setup;

		for (const auto &[where, policy] : rules)
			setup.policies.push_back({ where, policy });
		return setup;
	}

	std::mt19937 random_{ 1 };
};

TEST_F(PolicySteps, give_every_source_the_old_policy_or_the_new_one)
{
	for (int round = 0; round < 20000; round++) {
		Rules from = random_rules(), to = random_rules(), now = from;

		for (const PolicyStep &step : policy_steps(service(from), service(to))) {
			if (step.policy)
				now[step.network] = *step.policy;
			else
				now.erase(step.network);
			for (uint32_t address = 0; address < 16; address++) {
				uint32_t policy = policy_of(now, address);

				ASSERT_TRUE(policy == policy_of(from, address) ||
					    policy == policy_of(to, address))
					<< "round " << round << ", address " << address;
			}
		}
		EXPECT_EQ(now, to);
	}
}

TEST(ServiceOrder, the_service_of_one_address_comes_before_those_of_all)
{
	tp_service_key any = {}, any_ipv4 = {}, one = {};

	any_ipv4.address[10] = any_ipv4.address[11] = 0xff;
	one = any_ipv4;
	one.address[15] = 1;
	std::vector<tp_service_key> keys = { any_ipv4, any, one };
	std::ranges::sort(keys, is_added_before);
	EXPECT_EQ(keys[0].address[15], 1);
	EXPECT_EQ(keys[1].address[10], 0xff);
	EXPECT_EQ(keys[2].address[10], 0);
}

} // namespace tp
