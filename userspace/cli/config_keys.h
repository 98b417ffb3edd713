/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of the configuration file. The command line's options check their values. */
#ifndef TP_CLI_CONFIG_KEYS_H
#define TP_CLI_CONFIG_KEYS_H

#include <span>
#include <string>
#include <string_view>

namespace tp
{

/* What a key's value looks like in the file. */
enum class Kind { text, number, flag, texts, numbers, flag_or_text };

struct Key {
	const char *name;
	Kind kind;
	const char *option; /* the command line's option, which checks the value */
	const char *example;
};

/* The keys of services, which may also stand before all services and then apply to all of them. */
std::span<const Key> service_keys();
/* The keys of the agent. */
std::span<const Key> agent_keys();

/* Returns nullptr if there is no such key among these. */
const Key *find_key(std::span<const Key> keys, std::string_view name);

/* The kind in words, such as "a number". */
const char *what_it_is(Kind kind);

/* The known key that `name` is most likely meant to be, or an empty text. */
std::string nearest_key(std::string_view name, bool of_service);

} // namespace tp

#endif
