/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names of the numbers in bpf/abi.h, from the lists in bpf/abi/lists.h. An unknown number gives
 * "unknown".
 */
#ifndef TP_LIB_NAMES_H
#define TP_LIB_NAMES_H

namespace tp
{

const char *verdict_name(unsigned verdict);     /* enum tp_verdict */
const char *outcome_name(unsigned outcome);     /* enum tp_outcome */
const char *protocol_name(unsigned protocol);   /* enum tp_protocol */
const char *engine_name(unsigned engine);       /* enum tp_engine */
const char *policy_name(unsigned policy);       /* enum tp_policy */
const char *command_name(unsigned command);     /* enum tp_command */
const char *transport_name(unsigned transport); /* enum tp_transport */
const char *family_name(unsigned family);       /* enum tp_family */
const char *peer_state_name(unsigned state);    /* enum tp_peer_state */
const char *passed_on_name(unsigned why);       /* enum tp_passed_on */
const char *passed_on_reason(unsigned why);     /* enum tp_passed_on, as a sentence */

} // namespace tp

#endif
