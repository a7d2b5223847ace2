/* vkexec.h: what the parts of vkexec say to each other. */
#ifndef VKEXEC_H
#define VKEXEC_H

#include <poll.h>

#include "vkexec/client.h"

enum { EXIT_REFUSED = 125 }; /* nothing was started, as a shell's 126 and 127, which tell why */

/* ---- run.c: one guest with this process's fds 0, 1, 2, or with a terminal of its own. Its exit status, 128 + signal,
 * or 125..127 after a line on fd 2. */
int run(int socket, const struct spawn *spawn);

/* ---- say.c */
/* "vkexec: E_...: ..." on fd 2; EXIT_REFUSED. */
int complain(const struct rc_error *err);
/* Says that the vkernel denied it; 127 for what is not there, 126 for the rest. */
int denied(const struct answer *answer, const char *argv0);

/* ---- terminal.c: a pty between this process's fds 0, 1 and a guest */
/* Opens it, with the window size of fd 0; which becomes raw, and plain again whichever way this process ends. *inner is
 * for the guest, the caller's to close. The outer end, or -1: E_PROCESS_FDS. */
int terminal_open(int *inner, struct rc_error *err);
void terminal_raw(int raw);
/* SIGWINCH: the size of fd 0 is the pty's. */
void terminal_resize(int outer);
/* What to poll for on fd 0 and on outer, and what to do when it came. -1: the guest has let go of its end. */
void terminal_watch(int outer, struct pollfd watched[2]);
int terminal_copy(int outer, const struct pollfd watched[2]);

/* ---- bench.c: many starts over one connection; 0, or EXIT_REFUSED after a line on fd 2 */
/* One after the other. Per start, one line: ns to the first byte of output, ns to its exit. */
int bench(int socket, int count, const struct spawn *spawn);
/* At most in_flight at once, output to /dev/null. One line: starts per second. */
int burst(int socket, int count, int in_flight, const struct spawn *spawn);

#endif
