/* control.h: the records on a control socket (SOCK_SEQPACKET; docs/engine.md). One message is one record of 64 bytes,
 * then its data; fds ride on it by SCM_RIGHTS. */
#ifndef CONTROL_H
#define CONTROL_H

#include "base/base.h"

enum { CONTROL_MAGIC = 0x31454352 /* "RCE1" */, CONTROL_VALUES = 6, CONTROL_FDS = 4, CONTROL_DATA = 128 << 10 };

/* A request has one answer: its type with CONTROL_REPLY added, its id, value[0] >= 0 or -errno. A notice has id 0. */
enum control_type {
    CONTROL_LOAD = 1,   /* to the zygote, once. value: size. data: blake3[32], settings. fd: the artifact */
    CONTROL_CREATE = 2, /* to the zygote. data: struct control_container, rules, name. fds: the root directory,
                         * then cgroup.procs, open for writing, of each group the container shall be in */
    CONTROL_SPAWN = 3,  /* to a container. value: entry, argc, envc, flags. data: argv, env, cwd. fds: 0, 1, 2 */
    CONTROL_SIGNAL = 4, /* to a container. value: pid, signal */
    CONTROL_STOP = 5,   /* to a container, or to the zygote: it and all in it end */
    CONTROL_REPLY = 0x8000,
    CONTROL_EXITED = 0x4001,  /* from a container. value: pid, exit status or -1, signal or 0 */
    CONTROL_STOPPED = 0x4002, /* from the zygote. value: container, exit status or -1, signal or 0 */
    CONTROL_DENIED = 0x4003,  /* from a container. value: pid, syscall, errno. data: what, and why */
};

enum { SPAWN_TTY = 1 }; /* fd 0 becomes the controlling terminal of a new session */

struct control_record {
    uint32_t magic;
    uint16_t type, flags;
    uint64_t id;
    int64_t value[CONTROL_VALUES];
};

struct control_message {
    struct control_record record;
    char data[CONTROL_DATA + 1]; /* a NUL stands behind what was received */
    size_t len;
    int fd[CONTROL_FDS], fd_count;
};

/* One network rule of the manifest, in binary. */
struct control_rule {
    uint8_t bind;   /* 0: network.connect, 1: network.bind */
    uint8_t family; /* 0: `*`, 4, 6 */
    uint8_t prefix;
    uint8_t reserved;
    uint16_t port; /* 0: `*` */
    uint16_t reserved2;
    uint8_t address[16];
};

/* What CONTROL_CREATE says; rule_count rules and the container's name (its host name) follow. */
struct control_container {
    uint8_t syscalls[64]; /* the manifest's allow-list: bit n is the x86-64 number n */
    uint64_t memory_bytes, disk_bytes;
    uint32_t processes, open_files;
    uint32_t required;   /* bits of docs/engine.md that must be in force, else nothing is made */
    uint32_t unwanted;   /* bits not to try: a volume that writes go through to has no overlay */
    uint32_t rule_count; /* at most CONTROL_RULES */
    uint32_t reserved;
};
enum { CONTROL_RULES = 256, CONTROL_PROCESSES = 4096 };

/* 1: a record came; 0: the peer is gone; -1 with *err (E_RPC_FRAME, E_RPC_FDS): it broke the protocol.
 * The caller owns m->fd[0 .. fd_count). */
int control_receive(int socket, struct control_message *m, struct rc_error *err);

/* Sends a record with at most CONTROL_FDS fds. 0, or -1 when the peer is gone or does not read. */
int control_send(int socket, const struct control_record *record, const void *data, size_t len, const int *fd,
                 int fd_count);

/* Answers request with value (and, below 0, with the error's name and text as data). */
int control_answer(int socket, const struct control_record *request, int64_t value, const struct rc_error *err);

/* Closes the fds of a message. */
void control_close_fds(struct control_message *m);

#endif
