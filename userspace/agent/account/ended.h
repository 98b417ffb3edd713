/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translations whose connection has ended. They are deleted when TCP has nothing more to say for
 * it.
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

	/* Does what the programs do with each SYN-ACK, for hosts where none leaves any more. */
	void tick();

private:
	void drop(const tp_flow &flow, const tp_translation &translation);

	int translations_, ended_, wires_;
};

} // namespace tp

#endif
