/* SPDX-License-Identifier: BSD-2-Clause */
/* Translations whose connection has ended: they go when TCP has nothing more to say for it. */
#ifndef TP_AGENT_ENDED_H
#define TP_AGENT_ENDED_H

namespace tp
{

class EndedTranslations
{
public:
	/* tp_translations and tp_ended, borrowed. */
	EndedTranslations(int translations, int ended) : translations_(translations), ended_(ended)
	{
	}

	/* What the programs do with each SYN-ACK, for hosts where none leaves any more. */
	void tick();

private:
	int translations_, ended_;
};

} // namespace tp

#endif
