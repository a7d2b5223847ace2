/* client.h: a control client's side of docs/wire.md, as far as vkexec needs it. */
#ifndef VKEXEC_CLIENT_H
#define VKEXEC_CLIENT_H

#include "base/base.h"

/* One line of the vkernel: the fields that a spawn's answers have. Absent numbers are -1, absent texts empty;
 * texts are printable. */
struct answer {
    int64_t id, pid, code, signal, error; /* error: `errno` of a denial */
    char type[16], status[16], reason[200];
};

struct spawn {
    char **argv; /* ends with NULL */
    char **env;  /* NAME=VALUE, ends with NULL */
    const char *cwd;
    const char *hash; /* of the program's file, 64 hex digits: no path is looked up; NULL: argv[0] names it */
    int tty;
};

/* Connects to DIRECTORY/CID.sock and says hello. The fd, or -1: E_SOCK_*, E_RPC_*. */
int client_open(const char *directory, const char *cid, struct rc_error *err);

/* Sends a spawn with fds 0, 1, 2. 0, or -1: E_USAGE (not UTF-8, too long), E_RPC_CLOSED. */
int client_spawn(int socket, int64_t id, const struct spawn *spawn, const int fd[3], struct rc_error *err);

/* Sends a signal; there is no answer. */
int client_signal(int socket, int64_t pid, int signal, struct rc_error *err);

/* Waits for one line. 0, or -1: E_RPC_CLOSED, E_RPC_JSON, E_SOCK_TIMEOUT. */
int client_next(int socket, struct answer *out, struct rc_error *err);

/* 1 when client_next would not wait. */
int client_has_line(void);

#endif
