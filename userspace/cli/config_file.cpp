// SPDX-License-Identifier: BSD-2-Clause
#include "cli/config_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <toml++/toml.h>

#include "base/address.h"
#include "base/policy.h"
#include "cli/config_keys.h"
#include "cli/run_options.h"
#include "cli/saved.h"

namespace tp
{

namespace
{

class Reader
{
public:
	explicit Reader(const std::string &file) : file_(file) {}

	std::vector<Error> read(RunOptions &run, const std::function<void(RunOptions &)> &overlay);

private:
	void add(const toml::source_region &where, std::string key, std::string reason,
		 std::string hint = {});
	std::string place(const toml::source_region &where) const;
	bool set(const Key &key, const toml::node &value, CLI::App &options);
	void check_networks(const Key &key, const toml::node &value);
	void check_listen(const toml::node &value);
	void check_readable(const toml::node &value);
	std::optional<std::vector<std::string>> texts_of(const Key &key, const toml::node &value);
	bool try_keys(std::span<const Key> keys, std::string_view name, const toml::node &value,
		      CLI::App &options);
	void read_policy(const toml::node &value, ServiceOptions &service);
	void read_deny(const toml::node &value, RunOptions &run);
	void read_top(RunOptions &run);
	void read_services(RunOptions &run);
	void unknown(std::string_view name, const toml::key &key, bool of_service);

	const std::string &file_;
	toml::table document_;
	std::vector<Error> errors_;
};

std::string Reader::place(const toml::source_region &where) const
{
	return fmt::format("{}:{}:{}", file_, where.begin.line, where.begin.column);
}

void Reader::add(const toml::source_region &where, std::string key, std::string reason,
		 std::string hint)
{
	errors_.push_back({ ErrorCode::usage, place(where), std::move(key), std::move(reason),
			    std::move(hint) });
}

/* The value as the command line would have it; empty if it has not the key's type. */
std::optional<std::string> text_of_value(const toml::node &value, bool text, bool number)
{
	if (text && value.is_string())
		return value.ref<std::string>();
	if (number && value.is_integer())
		return std::to_string(value.ref<int64_t>());
	if (number && value.is_floating_point())
		return fmt::format("{}", value.ref<double>());
	return std::nullopt;
}

std::optional<std::vector<std::string>> Reader::texts_of(const Key &key, const toml::node &value)
{
	bool text =
		key.kind == Kind::text || key.kind == Kind::texts || key.kind == Kind::flag_or_text;
	bool number = key.kind == Kind::number || key.kind == Kind::numbers;
	bool list = key.kind == Kind::texts || key.kind == Kind::numbers;
	std::vector<std::string> all;

	auto wrong = [&](const toml::node &where) {
		add(where.source(), key.name, fmt::format("not {}", what_it_is(key.kind)),
		    fmt::format("as in {} = {}", key.name, key.example));
		return std::nullopt;
	};
	if ((key.kind == Kind::flag || key.kind == Kind::flag_or_text) && value.is_boolean())
		return std::vector<std::string>{ value.ref<bool>() ? "true" : "false" };
	if (list && value.is_array()) {
		for (const toml::node &one : *value.as_array()) {
			std::optional<std::string> entry = text_of_value(one, text, number);

			if (!entry)
				return wrong(one);
			all.push_back(std::move(*entry));
		}
		return all;
	}
	/* a single value needs no brackets, even if the key may have several */
	std::optional<std::string> only = text_of_value(value, text, number);
	if (!only)
		return wrong(value);
	all.push_back(std::move(*only));
	return all;
}

/* The errors of CLI11 begin with the option's name. */
std::string without_option(std::string text, std::string_view option)
{
	std::string prefix = fmt::format("{}: ", option);

	return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

bool Reader::set(const Key &key, const toml::node &value, CLI::App &options)
{
	CLI::Option *option = options.get_option_no_throw(key.option);
	std::optional<std::vector<std::string>> texts = texts_of(key, value);

	if (!texts || !option)
		return false;
	try {
		option->clear();
		for (const std::string &text : *texts)
			option->add_result(text);
		if (!texts->empty())
			option->run_callback();
	} catch (const CLI::Error &error) {
		add(value.source(), key.name, without_option(error.what(), key.option),
		    fmt::format("as in {} = {}", key.name, key.example));
		return false;
	}
	return true;
}

/* Calls `check` for each text of a value that may be a list, and adds the error that it returns. */
template <typename Check> void for_each_text(const toml::node &value, Check check)
{
	if (value.is_string())
		check(value, value.ref<std::string>());
	if (const toml::array *list = value.as_array())
		for (const toml::node &one : *list)
			if (one.is_string())
				check(one, one.ref<std::string>());
}

void Reader::check_networks(const Key &key, const toml::node &value)
{
	for_each_text(value, [&](const toml::node &where, const std::string &text) {
		Result<Network> network = parse_network(text, "");

		if (!network)
			add(where.source(), fmt::format("{}: {}", key.name, text),
			    network.error().reason, network.error().hint);
	});
}

void Reader::check_listen(const toml::node &value)
{
	for_each_text(value, [&](const toml::node &where, const std::string &text) {
		Result<Listen> listen = parse_listen(text, "");

		if (!listen)
			add(where.source(), fmt::format("listen: {}", text), listen.error().reason,
			    listen.error().hint);
	});
}

void Reader::check_readable(const toml::node &value)
{
	for_each_text(value, [&](const toml::node &where, const std::string &file) {
		if (access(file.c_str(), R_OK))
			add(where.source(), fmt::format("files: {}", file), std::strerror(errno));
	});
}

bool Reader::try_keys(std::span<const Key> keys, std::string_view name, const toml::node &value,
		      CLI::App &options)
{
	const Key *key = find_key(keys, name);

	if (!key)
		return false;
	set(*key, value, options);
	if (name == "trust")
		check_networks(*key, value);
	if (name == "listen")
		check_listen(value);
	return true;
}

void Reader::unknown(std::string_view name, const toml::key &key, bool of_service)
{
	std::string nearest = nearest_key(name, of_service);

	if (of_service && find_key(agent_keys(), name))
		add(key.source(), std::string(name),
		    "holds for the whole agent, not for one service",
		    "write it before the first [[service]]");
	else
		add(key.source(), std::string(name), "no such key",
		    nearest.empty() ? "see truepeer.toml(5)" :
				      fmt::format("is {} meant?", nearest));
}

/* policy = { "10.1.0.0/16" = "use" } */
void Reader::read_policy(const toml::node &value, ServiceOptions &service)
{
	const toml::table *table = value.as_table();

	if (!table) {
		add(value.source(), "policy", "not a table",
		    "as in policy = { \"10.1.0.0/16\" = \"use\" }");
		return;
	}
	for (const auto &[key, policy] : *table) {
		std::string network(key.str());
		Result<Network> where = parse_network(network, "");
		Result<uint32_t> what = parse_policy(policy.value_or(std::string_view("")), "");

		if (!where)
			add(key.source(), fmt::format("policy: {}", network), where.error().reason,
			    where.error().hint);
		if (!what)
			add(policy.source(), fmt::format("policy: {}", network),
			    what.error().reason, what.error().hint);
		if (where && what)
			service.policies.push_back(
				fmt::format("{}={}", network, policy.ref<std::string>()));
	}
}

void Reader::read_deny(const toml::node &value, RunOptions &run)
{
	static constexpr Key networks = { "networks", Kind::texts, "", "[\"198.51.100.0/24\"]" };
	static constexpr Key files = { "files", Kind::texts, "", "[\"/etc/truepeer/denied.txt\"]" };
	const toml::table *table = value.as_table();

	if (!table) {
		add(value.source(), "deny", "not a table",
		    "[deny], and below it networks and files");
		return;
	}
	for (const auto &[key, list] : *table) {
		bool of_files = key.str() == "files";

		if (!of_files && key.str() != "networks") {
			add(key.source(), fmt::format("deny.{}", key.str()), "no such key",
			    "networks and files");
			continue;
		}
		std::optional<std::vector<std::string>> texts =
			texts_of(of_files ? files : networks, list);
		if (!texts)
			continue;
		if (of_files)
			check_readable(list);
		else
			check_networks(networks, list);
		std::vector<std::string> &to = of_files ? run.denied_files : run.denied;
		to.insert(to.end(), texts->begin(), texts->end());
	}
}

void Reader::read_top(RunOptions &run)
{
	CLI::App options;

	add_run_options(&options, run);
	for (const auto &[key, value] : document_) {
		std::string_view name = key.str();

		if (name == "policy")
			read_policy(value, run);
		else if (name == "deny")
			read_deny(value, run);
		else if (name == "listen")
			add(key.source(), "listen", "holds for one service", "[[service]]");
		else if (name == "getsockopt" && value.is_boolean())
			run.getsockopt = value.ref<bool>();
		else if (name != "service" && !try_keys(service_keys(), name, value, options) &&
			 !try_keys(agent_keys(), name, value, options))
			unknown(name, key, false);
	}
	run.getsockopt |= !run.getsockopt_cgroup.empty();
}

void Reader::read_services(RunOptions &run)
{
	const toml::node *found = document_.get("service");
	const toml::array *list = found ? found->as_array() : nullptr;

	if (found && (!list || !list->is_homogeneous(toml::node_type::table)))
		add(found->source(), "service", "not a list of tables", "[[service]]");
	else if (list)
		for (const toml::node &node : *list) {
			ServiceOptions service = run;
			CLI::App options;

			service.listen.clear();
			service.where = fmt::format("{}:{}", file_, node.source().begin.line);
			add_service_options(&options, service);
			for (const auto &[key, value] : *node.as_table())
				if (key.str() == "policy")
					read_policy(value, service);
				else if (!try_keys(service_keys(), key.str(), value, options))
					unknown(key.str(), key, true);
			if (service.listen.empty())
				add(node.source(), "service", "it has no listen",
				    "as in listen = \"0.0.0.0:443\"");
			run.services.push_back(std::move(service));
		}
}

std::vector<Error> Reader::read(RunOptions &run, const std::function<void(RunOptions &)> &overlay)
{
	if (access(file_.c_str(), R_OK)) {
		errors_.push_back(system_error("read configuration", file_));
		return std::move(errors_);
	}
	try {
		document_ = toml::parse_file(file_);
	} catch (const toml::parse_error &error) {
		add(error.source(), "", std::string(error.description()));
		return std::move(errors_);
	}
	read_top(run);
	overlay(run);
	run.config = file_;
	read_services(run);
	return std::move(errors_);
}

} // namespace

std::vector<Error> read_config_file(const std::string &file, RunOptions &run,
				    const std::function<void(RunOptions &)> &overlay)
{
	std::vector<Error> errors = Reader(file).read(run, overlay);

	if (errors.empty()) {
		Status saved = read_saved(file, run);

		if (!saved)
			errors.push_back(saved.error());
	}
	std::ranges::stable_sort(errors, {}, [](const Error &error) {
		/* FILE:LINE:COLUMN; the tables of toml++ are sorted by key */
		size_t end = error.operation.rfind(':');
		size_t begin = end == std::string::npos ? end : error.operation.rfind(':', end - 1);

		return begin == std::string::npos ? 0 :
						    std::atol(error.operation.c_str() + begin + 1);
	});
	return errors;
}

} // namespace tp
