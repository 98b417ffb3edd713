// SPDX-License-Identifier: BSD-2-Clause
/* SO_REUSEPORT groups whose server decides by a program of its own who gets a connection. */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/filter.h>

#include "support/live.h"

namespace live
{

class ReusePort : public Live
{
protected:
	static constexpr size_t members = 4;

	/* All go to the member that the program names, whole headers and others. */
	void expect_all_go_to(size_t chosen, const std::function<void(int fd)> &attach)
	{
		live({ .start_server = false }, [&](World &w) {
			std::vector<Socket> group;
			std::vector<Client> clients;

			for (size_t i = 0; i < members; i++)
				group.push_back(listen_on(w.service, { .reuse_port = true }));
			attach(group[0].fd());
			for (uint16_t port = 1; port <= 24; port++) {
				std::string bytes = w.header(1 + port % 2, port) +
						    std::string(port % 3 ? 5 : 4000, 'x');
				Client client = w.connect();

				ASSERT_TRUE(port % 4 ? client.send(bytes) :
						       client.send(cut(bytes, { 7, 20 })));
				ASSERT_TRUE(polls_readable(group[chosen].fd(), 3s)) << port;
				Accepted a = accept_from(group[chosen]);
				EXPECT_EQ(a.address.text(), w.origin(port));
				EXPECT_EQ(receive_exactly(a.socket.fd(), 5), "xxxxx");
				clients.push_back(std::move(client));
			}
			for (size_t i = 0; i < members; i++) {
				EXPECT_FALSE(polls_readable(group[i].fd())) << i;
			}
		});
	}
};
INSTANTIATE_TEST_SUITE_P(Live, ReusePort, blocking_cases(), case_name);

TEST_P(ReusePort, classic_program_chooses_the_socket)
{
	expect_all_go_to(2, [](int fd) {
		sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, 2 } };
		sock_fprog program = { 1, code };

		ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
				     sizeof(program)),
			  0);
	});
}

TEST_P(ReusePort, extended_program_chooses_the_socket)
{
	expect_all_go_to(3, [](int fd) {
		bpf_insn code[] = {
			{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 3 },
			{ .code = BPF_JMP | BPF_EXIT },
		};
		Socket program(bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "choose", "GPL", code, 2,
					     nullptr));
		int number = program.fd();

		ASSERT_GE(number, 0);
		ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &number,
				     sizeof(number)),
			  0);
	});
}

} // namespace live
