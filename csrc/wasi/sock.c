/* In: sockets. Out: WASI's four calls on them, and the four of recompiler_sock_v1 that make them: WASI has none.
 * Who may be called and listened to is the backend's decision (the manifest's network rules), not this file's. */
#include "wasi/guest.h"

#include <errno.h>

#include "wasi/io.h"
#include "wasi/linux.h"

#define RIGHTS_SOCKET                                                                                                  \
    (RIGHT(FD_READ) | RIGHT(FD_WRITE) | RIGHT(FD_FDSTAT_SET_FLAGS) | RIGHT(FD_FILESTAT_GET) |                          \
     RIGHT(POLL_FD_READWRITE) | RIGHT(SOCK_SHUTDOWN) | RIGHT(SOCK_ACCEPT))

enum { RECV_PEEK = 1, RECV_WAITALL = 2, RECV_TRUNCATED = 1, ADDRESS_MAX = 128 };

static void socket_store(struct rc_wasi *w, uint32_t fd, int64_t sys, uint64_t rights, int type, int64_t flags) {
    w->state->fd[fd] =
        (struct rc_wasi_fd){.sys = sys, .base = rights, .inheriting = rights, .flags = LX_O_RDWR | flags, .type = type};
}

/* ---- wasi_snapshot_preview1 */

RC_WASI_CALL(sock_accept) {
    struct rc_wasi_fd *f;
    uint32_t fd;
    uint32_t error = rc_wasi_fd_reserve(w, &fd);
    if (error || (error = rc_wasi_fd_get(w, arg[0], RIGHT(SOCK_ACCEPT), &f))) {
        return error;
    }
    uint8_t *out = rc_wasi_at(w, arg[2], 4);
    if (!out) {
        return WASI_FAULT;
    }
    if (arg[1] & ~(uint64_t)FDFLAG_NONBLOCK) {
        return WASI_INVAL;
    }
    int64_t flags = arg[1] ? LX_SOCK_NONBLOCK : 0;
    /* A listener among fds 0, 1, 2 hands on nothing by its table, so its connections get what a socket has. */
    uint64_t rights = f->flags < 0 ? RIGHTS_SOCKET : f->inheriting & RIGHTS_SOCKET;
    struct rc_call call = {.nr = RC_SYS_accept4, .arg = {f->sys, LX_SOCK_CLOEXEC | flags}};
    int64_t ret = rc_wasi_syscall(w, &call);
    if (ret < 0) {
        return rc_wasi_errno(ret);
    }
    socket_store(w, fd, ret, rights, FILETYPE_SOCKET_STREAM, flags);
    rc_store(out, 4, fd);
    return WASI_SUCCESS;
}

/* One byte more than the guest has room for tells whether Linux cut the datagram off. */
static uint32_t recv_datagram(struct rc_wasi *w, struct rc_call *call, uint8_t *out, uint8_t *out_flags) {
    uint64_t total = w->state->iov_total;
    uint64_t room = total < RC_SYS_DATA_MAX ? total : RC_SYS_DATA_MAX - 1;
    call->reply = rc_wasi_bounce(w, room + 1);
    call->reply_cap = room + 1;
    call->arg[1] = (int64_t)room + 1;
    if (!call->reply) {
        return WASI_NOMEM;
    }
    int64_t ret = rc_wasi_syscall(w, call);
    if (ret < 0 || (uint64_t)ret != call->reply_len) {
        return ret < 0 ? rc_wasi_errno(ret) : WASI_IO;
    }
    uint64_t n = (uint64_t)ret < room ? (uint64_t)ret : room;
    rc_wasi_scatter(w->state, 0, call->reply, n);
    rc_store(out, 4, n);
    rc_store(out_flags, 2, (uint64_t)ret > room ? RECV_TRUNCATED : 0);
    return WASI_SUCCESS;
}

RC_WASI_CALL(sock_recv) {
    enum { FD, VECTOR, COUNT, FLAGS, RESULT, RESULT_FLAGS };
    struct rc_wasi_fd *f;
    int type;
    uint32_t error = rc_wasi_fd_get(w, arg[FD], RIGHT(FD_READ), &f);
    if (error || (error = rc_wasi_iov(w, arg[VECTOR], arg[COUNT]))) {
        return error;
    }
    uint8_t *out = rc_wasi_at(w, arg[RESULT], 4), *out_flags = rc_wasi_at(w, arg[RESULT_FLAGS], 2);
    if (!out || !out_flags) {
        return WASI_FAULT;
    }
    if (arg[FLAGS] > (RECV_PEEK | RECV_WAITALL)) {
        return WASI_INVAL;
    }
    struct rc_call call = {.nr = RC_SYS_recvfrom, .arg = {f->sys}};
    call.arg[2] = (arg[FLAGS] & RECV_PEEK ? LX_MSG_PEEK : 0) | (arg[FLAGS] & RECV_WAITALL ? LX_MSG_WAITALL : 0);
    if (rc_wasi_fd_type(w, f, &type) == WASI_SUCCESS && type == FILETYPE_SOCKET_DGRAM) {
        return recv_datagram(w, &call, out, out_flags);
    }
    const struct rc_wasi_transfer how = {.into_guest = 1};
    if (!(error = rc_wasi_transfer(w, &call, &how, out))) {
        rc_store(out_flags, 2, 0);
    }
    return error;
}

RC_WASI_CALL(sock_send) {
    enum { FD, VECTOR, COUNT, FLAGS, RESULT };
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[FD], RIGHT(FD_WRITE), &f);
    if (error || (error = rc_wasi_iov(w, arg[VECTOR], arg[COUNT]))) {
        return error;
    }
    uint8_t *out = rc_wasi_at(w, arg[RESULT], 4);
    if (!out) {
        return WASI_FAULT;
    }
    if (arg[FLAGS] != 0) {
        return WASI_INVAL;
    }
    /* A WASI guest knows no SIGPIPE: a closed peer is errno pipe. */
    struct rc_call call = {.nr = RC_SYS_sendto, .arg = {f->sys, LX_MSG_NOSIGNAL}};
    const struct rc_wasi_transfer how = {.into_guest = 0};
    return rc_wasi_transfer(w, &call, &how, out);
}

RC_WASI_CALL(sock_shutdown) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(SOCK_SHUTDOWN), &f);
    if (error) {
        return error;
    }
    if (arg[1] == 0 || arg[1] > 3) {
        return WASI_INVAL;
    }
    struct rc_call call = {.nr = RC_SYS_shutdown, .arg = {f->sys, (int64_t)arg[1] - 1}}; /* SHUT_RD is 0 */
    return rc_wasi_errno(rc_wasi_syscall(w, &call));
}

/* ---- recompiler_sock_v1: families, types and addresses are Linux's */

RC_WASI_CALL(sock_open) {
    uint32_t fd;
    uint8_t *out = rc_wasi_at(w, arg[2], 4);
    uint64_t type = arg[1] & ~(uint64_t)LX_SOCK_NONBLOCK;
    if (!out) {
        return WASI_FAULT;
    }
    if (arg[0] != LX_AF_INET && arg[0] != LX_AF_INET6) {
        return WASI_AFNOSUPPORT;
    }
    if (type != LX_SOCK_STREAM && type != LX_SOCK_DGRAM) {
        return WASI_INVAL;
    }
    uint32_t error = rc_wasi_fd_reserve(w, &fd);
    if (error) {
        return error;
    }
    struct rc_call call = {.nr = RC_SYS_socket, .arg = {(int64_t)arg[0], (int64_t)arg[1] | LX_SOCK_CLOEXEC}};
    int64_t ret = rc_wasi_syscall(w, &call);
    if (ret < 0) {
        return rc_wasi_errno(ret);
    }
    int filetype = type == LX_SOCK_STREAM ? FILETYPE_SOCKET_STREAM : FILETYPE_SOCKET_DGRAM;
    socket_store(w, fd, ret, RIGHTS_SOCKET, filetype, (int64_t)arg[1] & LX_SOCK_NONBLOCK);
    rc_store(out, 4, fd);
    return WASI_SUCCESS;
}

static uint32_t by_address(struct rc_wasi *w, const uint64_t *arg, uint64_t rights, uint32_t nr) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[0], rights, &f);
    if (error) {
        return error;
    }
    const uint8_t *address = rc_wasi_at(w, arg[1], arg[2]);
    if (!address) {
        return WASI_FAULT;
    }
    if (arg[2] < 2 || arg[2] > ADDRESS_MAX) {
        return WASI_INVAL;
    }
    struct rc_call call = {.nr = nr, .arg = {f->sys}, .data = address, .data_len = arg[2]};
    return rc_wasi_errno(rc_wasi_syscall(w, &call));
}

RC_WASI_CALL(sock_connect) {
    return by_address(w, arg, RIGHT(FD_WRITE), RC_SYS_connect);
}

RC_WASI_CALL(sock_bind) {
    return by_address(w, arg, RIGHT(SOCK_ACCEPT), RC_SYS_bind);
}

RC_WASI_CALL(sock_listen) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[0], RIGHT(SOCK_ACCEPT), &f);
    if (error) {
        return error;
    }
    struct rc_call call = {.nr = RC_SYS_listen, .arg = {f->sys, (int64_t)(int32_t)(uint32_t)arg[1]}};
    return rc_wasi_errno(rc_wasi_syscall(w, &call));
}
