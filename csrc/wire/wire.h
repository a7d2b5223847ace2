/* wire/wire.h: a guest's syscalls over a vkernel's socket (docs/wire.md). In: a connected socket. Out: a syscall
 * backend.
 */
#ifndef RC_WIRE_H
#define RC_WIRE_H

#include "base/base.h"
#include "base/sys.h"

struct rc_wire {
    struct rc_sys sys; /* first: rc_sys.call finds the rest */
    int fd;
    int binary; /* the encoding after hello */
    uint64_t last_id;
    uint8_t *in, *out;    /* one message each */
    size_t in_at, in_end; /* received and not yet read */
    /* The connection ended or broke the protocol while a guest runs. Must not return. */
    void (*lost)(struct rc_wire *wire, const struct rc_error *why);
    /* The vkernel says: take this signal now. Returns when the signal's default is not to die. */
    void (*signalled)(struct rc_wire *wire, int sig);
};

/* Takes a connected socket. E_NO_MEMORY. */
int rc_wire_open(struct rc_wire *wire, int fd, int binary, struct rc_error *err);

/* Says hello with this statement, this manifest and fds 0, 1, 2, and waits for the answer.
 * 0: E_RPC_*, E_SOCK_TIMEOUT, E_NO_MEMORY; E_RPC_DENIED with the vkernel's own words. */
int rc_wire_hello(struct rc_wire *wire, const char *cid, const uint8_t statement[384], const uint8_t *manifest,
                  size_t manifest_len, struct rc_error *err);

/* Tells the vkernel that this process is about to die by sig. Failures do not matter any more. */
void rc_wire_dying(struct rc_wire *wire, int sig);

#endif
