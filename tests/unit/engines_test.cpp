// SPDX-License-Identifier: BSD-2-Clause
/* The agent's list of engines, and how it chooses among them. */
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <stdexcept>
#include <string>

#include "agent/load/engines/engines.h"

namespace
{

const tp::Engine &engine(tp_engine id)
{
	for (const tp::Engine *one : tp::all_engines())
		if (one->id() == id)
			return *one;
	throw std::runtime_error("no such engine");
}

TEST(Engines, each_is_in_the_list_once_and_the_last_is_the_basis)
{
	std::set<std::string> names;

	for (const tp::Engine *one : tp::all_engines()) {
		EXPECT_TRUE(names.insert(one->name()).second) << one->name();
		EXPECT_EQ(one->is_basis(), one == tp::all_engines().back()) << one->name();
	}
	EXPECT_FALSE(names.contains("unknown"));
}

TEST(Engines, their_programs_are_in_the_object)
{
	std::unique_ptr<bpf_object, void (*)(bpf_object *)> object(
		bpf_object__open("build/bpf/truepeer.bpf.o"), bpf_object__close);

	ASSERT_TRUE(object);
	for (const tp::Engine *one : tp::all_engines()) {
		EXPECT_FALSE(one->programs().empty());
		for (const std::string &name : one->programs())
			EXPECT_TRUE(bpf_object__find_program_by_name(object.get(), name.c_str()))
				<< one->name() << ": " << name;
	}
}

TEST(Engines, the_text_ends_with_the_first_that_takes_all_clients)
{
	tp::EngineChoice choice; /* all serve, whatever this host is */

	EXPECT_EQ(choice.text(), "handshake");
	EXPECT_TRUE(choice.answer_clients());
	choice.give_up(engine(TP_ENGINE_HANDSHAKE), "not here");
	EXPECT_EQ(choice.text(), "sender and translate");
	EXPECT_FALSE(choice.answer_clients());
	choice.give_up(engine(TP_ENGINE_SENDER), "nor this");
	EXPECT_EQ(choice.text(), "translate");
}

TEST(Engines, one_that_was_asked_for_has_to_serve)
{
	tp::CgroupPlace place;

	place.level = 0;
	tp::EngineChoice sender("sender", place);
	EXPECT_TRUE(sender.check());
	EXPECT_EQ(sender.why_not(engine(TP_ENGINE_HANDSHAKE)), "--engine sender");
	EXPECT_TRUE(sender.serves(engine(TP_ENGINE_TRANSLATE)));
	sender.give_up(engine(TP_ENGINE_SENDER), "the kernel refuses to load it");
	tp::Status failed = sender.check();
	ASSERT_FALSE(failed);
	EXPECT_EQ(failed.error().text(), "start: --engine sender: the kernel refuses to load it "
					 "(--engine auto uses the best engine that works)");
	/* with its place in the hierarchy unknown */
	EXPECT_FALSE(tp::EngineChoice("handshake", {}).check());
	EXPECT_TRUE(tp::EngineChoice("auto", {}).check());
}

TEST(Engines, what_the_kernel_refuses_is_given_up_but_for_the_basis)
{
	tp::EngineChoice choice; /* all serve, whatever this host is */

	EXPECT_EQ(choice.dispensable("tp_sender"), &engine(TP_ENGINE_SENDER));
	EXPECT_EQ(choice.dispensable("tp_translate_in"), nullptr);
	EXPECT_EQ(choice.dispensable("tp_gate"), nullptr);
	/* libbpf does not say which: the best one is tried without */
	EXPECT_EQ(choice.dispensable(""), &engine(TP_ENGINE_HANDSHAKE));
	choice.give_up(engine(TP_ENGINE_HANDSHAKE), "not here");
	EXPECT_EQ(choice.dispensable(""), &engine(TP_ENGINE_SENDER));
	EXPECT_EQ(choice.dispensable("tp_handshake"), nullptr);
	choice.give_up(engine(TP_ENGINE_SENDER), "nor this");
	EXPECT_EQ(choice.dispensable(""), nullptr);
}

/* Elsewhere sockops would hand connections to an engine whose program is not there. */
TEST(Engines, sockets_of_proxies_are_followed_only_where_the_sender_engine_serves)
{
	tp::CgroupPlace place;

	place.level = 0;
	EXPECT_TRUE(tp::EngineChoice("sender", place).follow_proxies());
	EXPECT_FALSE(tp::EngineChoice("translate", place).follow_proxies());
	EXPECT_FALSE(tp::EngineChoice("handshake", place).follow_proxies());
}

} // namespace
