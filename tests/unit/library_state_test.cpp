// SPDX-License-Identifier: BSD-2-Clause
/* fork() while another thread of the program changes the maps of a handle: that thread is not copied. */
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "lib/handle.h"

namespace
{

/* What the child's look-up and refresh() do; its exit code is the first step that went wrong. */
int in_child(tp::lib::State &state)
{
	alarm(20); /* instead of waiting for ever */
	if (state.begin() != 0)
		return 1;
	if (!state.start_change())
		return 2;
	state.end_change();
	uint64_t begun = state.begin();
	if (!begun || state.changed_since(begun))
		return 3;
	return 0;
}

} // namespace

TEST(LibraryState, a_child_takes_over_the_change_that_a_thread_has_begun)
{
	tp::lib::State state;
	std::atomic<bool> changing = false, forked = false;
	uint64_t before = state.begin();
	std::jthread changer([&] {
		EXPECT_TRUE(state.start_change());
		changing = true;
		while (!forked)
			std::this_thread::yield();
		state.end_change();
	});

	while (!changing)
		std::this_thread::yield();
	EXPECT_TRUE(state.changed_since(before));
	pid_t child = fork();
	if (child == 0)
		_exit(in_child(state));
	int status = 0;
	EXPECT_EQ(waitpid(child, &status, 0), child);
	forked = true;
	EXPECT_TRUE(WIFEXITED(status)) << "it waits for a thread that it does not have";
	EXPECT_EQ(WEXITSTATUS(status), 0);
	/* the parent's own threads wait for it, and go on */
	EXPECT_NE(state.begin(), 0u);
}

/* Of threads that want to change them at once one does, and the others see that it has. */
TEST(LibraryState, of_many_threads_one_makes_the_change)
{
	tp::lib::State state;
	std::atomic<int> ready = 0;
	std::atomic<unsigned> inside = 0, changed = 0, together = 0;
	std::vector<std::jthread> threads;

	for (int i = 0; i < 4; i++)
		threads.emplace_back([&] {
			ready++;
			while (ready < 4)
				std::this_thread::yield();
			for (int round = 0; round < 2000; round++) {
				if (!state.start_change())
					continue;
				together += inside++ != 0;
				changed++;
				inside--;
				state.end_change();
			}
		});
	threads.clear();
	EXPECT_GT(changed, 0u);
	EXPECT_EQ(together, 0u);
	EXPECT_NE(state.begin(), 0u);
}
