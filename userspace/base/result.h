/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that can fail return Result<T>: a value, or an Error that says what failed, on
 * what, why, and what can be done about it.  Only main prints errors.
 */
#ifndef TP_BASE_RESULT_H
#define TP_BASE_RESULT_H

#include <cerrno>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include <tl/expected.hpp>

namespace tp
{

enum class ErrorCode {
	system,       /* a system call failed: number holds errno */
	usage,        /* the caller asked for something that makes no sense */
	not_running,  /* no pins where they should be */
	permission,   /* a privilege is missing */
	busy,         /* another agent, or live connections */
	not_found,    /* no such connection */
	incompatible, /* pins of another version, a kernel that lacks something */
};

struct Error {
	ErrorCode code = ErrorCode::system;
	std::string operation; /* what failed, as in "attach" */
	std::string object;    /* on what, as in "/sys/fs/bpf/truepeer" */
	std::string reason = {};
	std::string hint = {};
	int number = 0; /* errno, where there is one */

	/* "what failed: object: reason (hint)" */
	std::string text() const
	{
		std::string line = operation;

		for (const std::string *part : { &object, &reason })
			if (!part->empty())
				line += ": " + *part;
		if (!hint.empty())
			line += " (" + hint + ")";
		return line;
	}
};

/* An Error from errno (or a libbpf return value, negative). */
inline Error system_error(std::string operation, std::string object, int number = errno,
			  std::string hint = {})
{
	number = number < 0 ? -number : number;
	ErrorCode code =
		number == EACCES || number == EPERM ? ErrorCode::permission : ErrorCode::system;

	return { code,
		 std::move(operation),
		 std::move(object),
		 std::strerror(number),
		 std::move(hint),
		 number };
}

/* A T or an Error, like tl::expected; the compiler warns of a Result that is not looked at. */
template <typename T = void> class [[nodiscard]] Result : public tl::expected<T, Error>
{
	using Base = tl::expected<T, Error>;

public:
	using Base::Base;
	Result(Error error) : Base(tl::unexpect, std::move(error)) {}
};

using Status = Result<>;

inline Status success()
{
	return {};
}

template <typename T> T take_value(Result<T> &result)
{
	if constexpr (!std::is_void_v<T>)
		return std::move(*result);
}

/*
 * Gives the value of a Result. If that is an Error, the enclosing function returns it. Do not use
 * it in an expression that has something else to destroy, because GCC does not destroy that when it
 * returns from within.
 */
#define TP_TRY(...)                                                                                \
	({                                                                                         \
		auto tp_tried = (__VA_ARGS__);                                                     \
		if (!tp_tried)                                                                     \
			return std::move(tp_tried.error());                                        \
		tp::take_value(tp_tried);                                                          \
	})

} // namespace tp

#endif
