/* SPDX-License-Identifier: BSD-2-Clause */
/* The threads of tests: joined in every way out of a scope (tools/lint refuses others). */
#ifndef TP_TESTS_SUPPORT_THREAD_H
#define TP_TESTS_SUPPORT_THREAD_H

#include <gtest/gtest.h>

#include <concepts>
#include <exception>
#include <stop_token>
#include <thread>
#include <utility>

namespace live
{

/*
 * Runs `body`, which may take a std::stop_token.  The destructor asks it to stop and joins it, so
 * a body either ends by itself, on sockets with timeouts, or looks at its token; and
 * what it refers to is declared before it.  An exception in it is a failure of the test.
 */
class Thread
{
public:
	Thread() = default;

	template <typename Body>
		requires std::invocable<Body &> || std::invocable<Body &, std::stop_token>
	explicit Thread(Body body)
	    : thread_([body = std::move(body)](const std::stop_token &stop) mutable {
		      try {
			      if constexpr (std::invocable<Body &, std::stop_token>)
				      body(stop);
			      else
				      body();
		      } catch (const std::exception &error) {
			      ADD_FAILURE() << "in a thread: " << error.what();
		      }
	      })
	{
	}

	void join()
	{
		if (thread_.joinable())
			thread_.join();
	}

	/* Asks it to stop, and joins it. */
	void stop()
	{
		thread_.request_stop();
		join();
	}

private:
	std::jthread thread_;
};

} // namespace live

#endif
