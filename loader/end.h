/* end.h: the ways in which a stub ends. None returns. */
#ifndef LOADER_END_H
#define LOADER_END_H

#include "base/base.h"
#include "wire/wire.h"

enum { END_REFUSED = 125 };

/* One line on stderr and exit 125: the guest has not run. */
_Noreturn void end_refused(const struct rc_error *why);

/* One line on stderr and death by sig: the guest was running. The vkernel is told when wire is not NULL. */
_Noreturn void end_killed(struct rc_wire *wire, int sig, const struct rc_error *why);

/* Takes a signal with its default action; returns when that is not to die. */
void end_by_signal(int sig);

/* From here on a memory fault of wasm3 ends as a trap of the guest: one line, then SIGABRT. */
void end_on_faults(struct rc_wire *wire);

#endif
