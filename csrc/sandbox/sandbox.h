/* sandbox/sandbox.h: what the stub takes away from itself. In: the fds it needs. Out: a process that can do nothing
 * else. */
#ifndef RC_SANDBOX_H
#define RC_SANDBOX_H

#include "base/base.h"

/* Opens /dev/null on each of fds 0, 1, 2 that is closed, so that no later open lands there: E_PROCESS_FDS. To read from
 * such a fd 0, or to write to such a fd 1 or 2, is EBADF, as on a closed one. */
int rc_sandbox_standard_fds(struct rc_error *err);

/* Closes every fd from 3 on except keep (-1: none): E_PROCESS_FDS. */
int rc_sandbox_close_fds(int keep, struct rc_error *err);

/* no_new_privs, and no core dump of a guest's memory: E_SANDBOX. */
int rc_sandbox_no_privileges(struct rc_error *err);

/* From here on: messages over socket_fd, one last line on fd 2, memory of its own without PROT_EXEC, signals to itself,
 * exit. Anything else kills the process (SIGSYS). E_SANDBOX. */
int rc_sandbox_lock(int socket_fd, struct rc_error *err);

#endif
