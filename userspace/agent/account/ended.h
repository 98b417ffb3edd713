/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translations whose connection has ended. They are deleted when TCP sends no more segments for
 * the connection.
 */
#ifndef TP_AGENT_ENDED_H
#define TP_AGENT_ENDED_H

#include "bpf/abi.h"

namespace tp
{

class EndedTranslations
{
public:
	/* tp_translations, tp_ended and tp_wires are borrowed. */
	EndedTranslations(int translations, int ended, int wires)
	    : translations_(translations), ended_(ended), wires_(wires)
	{
	}

	/* Deletes as the programs do with each SYN-ACK, for hosts that send no more SYN-ACKs. */
	void tick();

private:
	void drop(const tp_flow &flow, const tp_translation &translation);

	int translations_, ended_, wires_;
};

} // namespace tp

#endif
