// SPDX-License-Identifier: BSD-2-Clause
#include "servers.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "wire.h"

namespace peers
{

namespace fs = std::filesystem;

namespace
{

constexpr const char *stream_module = "/usr/lib/nginx/modules/ngx_stream_module.so";
constexpr uint64_t compiling = 300'000'000'000;

Error missing(const std::string &what, const std::string &reason)
{
	return { tp::ErrorCode::incompatible, "find", what, reason, "tools/deps installs it" };
}

Result<std::string> find_program(const std::string &program)
{
	std::istringstream path(std::getenv("PATH") ?: "");
	std::string folder;

	while (std::getline(path, folder, ':'))
		if (access((folder + "/" + program).c_str(), X_OK) == 0)
			return folder + "/" + program;
	return missing(program, "not in PATH");
}

Result<std::string> find_file(const std::string &path)
{
	std::error_code ignored;

	if (!fs::exists(path, ignored))
		return missing(path, "no such file");
	return path;
}

/* The settings that are not nginx's defaults: foreground, no log files, a worker for each CPU. */
std::string nginx_head(const Site &site, const char *name)
{
	return fmt::format("daemon off;\npid {}/{}.pid;\nerror_log stderr;\nworker_processes {};\n"
			   "events {{\n\tworker_connections 1024;\n}}\n",
			   site.folder, name, site.workers);
}

Result<Program> nginx(Variant variant, const Site &site)
{
	std::string path = TP_TRY(find_program("nginx"));
	bool reads = variant == Variant::proxy_protocol || variant == Variant::realip;
	const char *name = variant == Variant::proxy_protocol ? "proxy_protocol" : "remote";
	std::string realip = variant != Variant::realip ?
				     "" :
				     fmt::format("\t\tset_real_ip_from {};\n"
						 "\t\treal_ip_header proxy_protocol;\n",
						 site.network);

	return Program{
		{ path, "-c", "CONFIG", "-e", "stderr" },
		nginx_head(site, "server") +
			fmt::format("http {{\n\taccess_log off;\n\tserver {{\n\t\tlisten {}:{}{};\n"
				    "{}\t\tlocation / {{\n\t\t\treturn 200 "
				    "\"${}_addr:${}_port\\n{}\";\n"
				    "\t\t}}\n\t}}\n}}\n",
				    site.address, site.port, reads ? " proxy_protocol" : "", realip,
				    name, name, std::string(padding_size, 'x')),
	};
}

/* Prefers Debian's python3 to another one that PATH may name first. */
Result<Program> python(const std::string &program, const Site &site)
{
	std::string path = "/usr/bin/python3";

	if (access(path.c_str(), X_OK))
		path = TP_TRY(find_program("python3"));
	return Program{ { path, program, site.address, std::to_string(site.port) }, "" };
}

Result<Program> redis(const Site &site)
{
	std::string path = TP_TRY(find_program("redis-server"));

	return Program{ { path, "CONFIG" },
			fmt::format("bind {}\nport {}\nprotected-mode no\nsave \"\"\n"
				    "appendonly no\ndir {}\n",
				    site.address, site.port, site.folder) };
}

} // namespace

Result<Program> Servers::node(Variant variant, const Site &site)
{
	std::string path = TP_TRY(find_program("node"));
	Program program = { { path, program_path("node_server.js"), site.address,
			      std::to_string(site.port) },
			    "" };

	if (variant == Variant::proxywrap)
		program.command.push_back(TP_TRY(find_file(
			options_.top + "/userspace/bindings/node/node_modules/findhit-proxywrap")));
	return program;
}

/* Compiles in GOPATH mode with Debian's package of the module, so that nothing is fetched. */
Result<Program> Servers::go(Variant variant, const Site &site)
{
	std::string path = folder_ + "/go_server", compiler = TP_TRY(find_program("go"));
	std::error_code ignored;

	TP_TRY(find_file("/usr/share/gocode/src/github.com/pires/go-proxyproto"));
	if (!fs::exists(path, ignored)) {
		Fd output = TP_TRY(bench::memory_file(""));
		Child child = TP_TRY(Child::execute(
			{ "env", "GO111MODULE=off", "GOPATH=/usr/share/gocode", "GOTOOLCHAIN=local",
			  "CGO_ENABLED=0", "GOCACHE=" + options_.top + "/build/go-cache", compiler,
			  "build", "-o", path, program_path("go_server.go") },
			-1, -1, output.get()));

		if (child.wait(compiling) != 0)
			return Error{ tp::ErrorCode::incompatible, "compile", "go_server.go",
				      bench::content_of(output) };
	}
	Program program = { { path, fmt::format("{}:{}", site.address, site.port) }, "" };
	if (variant == Variant::go_proxyproto)
		program.command.push_back("proxyproto");
	return program;
}

Result<Program> Servers::server(Server server, Variant variant, const Site &site)
{
	switch (server) {
	case Server::nginx:
	case Server::nginx_keepalive:
		return nginx(variant, site);
	case Server::node:
		return node(variant, site);
	case Server::python:
		return python(program_path("asyncio_server.py"), site);
	case Server::go:
		return go(variant, site);
	case Server::redis:
		return redis(site);
	}
	return missing("server", "no such server");
}

/* Neither hop is transparent, so the server gets a plain connection from 127.0.0.1. */
Result<Program> Servers::hop(Variant variant, const Site &site)
{
	if (variant == Variant::haproxy) {
		std::string path = TP_TRY(find_program("haproxy"));

		return Program{ { path, "-q", "-db", "-f", "CONFIG" },
				fmt::format("global\n nbthread {}\ndefaults\n mode tcp\n"
					    " timeout connect 5s\n timeout client 20s\n"
					    " timeout server 20s\nlisten front\n bind {}:{} "
					    "accept-proxy\n server back 127.0.0.1:{}\n",
					    site.workers, site.address, site.port,
					    site.next_port) };
	}
	std::string path = TP_TRY(find_program("nginx")), module = TP_TRY(find_file(stream_module));
	return Program{ { path, "-c", "CONFIG", "-e", "stderr" },
			fmt::format("load_module {};\n{}"
				    "stream {{\n\tserver {{\n\t\tlisten {}:{} proxy_protocol;\n"
				    "\t\tproxy_pass 127.0.0.1:{};\n\t}}\n}}\n",
				    module, nginx_head(site, "hop"), site.address, site.port,
				    site.next_port) };
}

} // namespace peers
