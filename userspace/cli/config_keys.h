/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of the configuration file. What a value may be, the option of the command line says. */
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
	const char *option; /* of the command line, which says what the value may be */
	const char *example;
};

/* Of a service, or before all services for all of them. */
std::span<const Key> service_keys();
/* Of the agent. */
std::span<const Key> agent_keys();

/* Returns nullptr if there is no such key among these. */
const Key *find_key(std::span<const Key> keys, std::string_view name);

/* As in "a number". */
const char *what_it_is(Kind kind);

/* The known key that `name` is most likely meant to be, or an empty text. */
std::string nearest_key(std::string_view name, bool of_service);

} // namespace tp

#endif
