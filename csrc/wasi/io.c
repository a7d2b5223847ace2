/* In: an fd and a vector of guest buffers. Out: bytes moved between them, by one syscall where one can carry them. */
#include "wasi/io.h"
#include "wasi/guest.h"

#include <errno.h>

#include "wasi/linux.h"

/* The guest's own bytes [at, at + len) when they lie in one item of the vector, so that nothing need be copied. */
static uint8_t *in_one_piece(const struct rc_wasi_state *s, uint64_t at, uint64_t len) {
    static uint8_t none;
    uint64_t start = 0;
    for (uint32_t i = 0; i < s->iov_count; start += s->iov[i].len, i++) {
        if (at < start + s->iov[i].len) {
            return at + len <= start + s->iov[i].len ? s->iov[i].base + (at - start) : NULL;
        }
    }
    return &none; /* len is 0 */
}

static int64_t transfer_chunk(struct rc_wasi *w, struct rc_call *call, int into_guest, uint64_t at, uint64_t len) {
    struct rc_wasi_state *s = w->state;
    uint8_t *direct = in_one_piece(s, at, len);
    uint8_t *flat = direct ? direct : rc_wasi_bounce(w, len);
    if (!flat) {
        return -ENOMEM;
    }
    if (into_guest) {
        call->arg[1] = (int64_t)len; /* the count of read, pread64 and recvfrom */
        call->reply = flat;
        call->reply_cap = len;
    } else {
        if (!direct) {
            rc_wasi_gather(s, at, flat, len);
        }
        call->data = flat;
        call->data_len = len;
    }
    int64_t ret = rc_wasi_syscall(w, call);
    if (ret < 0) {
        return ret;
    }
    if ((uint64_t)ret > len || (into_guest && (uint64_t)ret != call->reply_len)) {
        return -EIO;
    }
    if (into_guest && !direct) {
        rc_wasi_scatter(s, at, flat, (uint64_t)ret);
    }
    return ret;
}

uint32_t rc_wasi_transfer(struct rc_wasi *w, struct rc_call *call, const struct rc_wasi_transfer *how, uint8_t *out) {
    uint64_t total = w->state->iov_total, done = 0;
    if (how->offset_place && (uint64_t)call->arg[how->offset_place] > INT64_MAX - total) {
        return WASI_INVAL;
    }
    for (;;) {
        uint64_t chunk = total - done < RC_SYS_DATA_MAX ? total - done : RC_SYS_DATA_MAX;
        int64_t ret = transfer_chunk(w, call, how->into_guest, done, chunk);
        if (ret < 0 && done == 0) {
            return rc_wasi_errno(ret);
        }
        done += ret > 0 ? (uint64_t)ret : 0;
        if (ret < 0 || (uint64_t)ret < chunk || done == total || !how->whole) {
            break;
        }
        if (how->offset_place) {
            call->arg[how->offset_place] += ret;
        }
    }
    rc_store(out, 4, done);
    return WASI_SUCCESS;
}

/* A longer transfer than one record goes on only where Linux would not have stopped short either: any write, but
 * a read of a regular file alone (a second read of a pipe could wait for bytes that the first need not wait for). */
static int read_goes_on(struct rc_wasi *w, struct rc_wasi_fd *f) {
    int type = FILETYPE_UNKNOWN;
    return w->state->iov_total > RC_SYS_DATA_MAX && !rc_wasi_fd_type(w, f, &type) && type == FILETYPE_REGULAR_FILE;
}

/* fd_read, fd_write: arg is fd, vector, count, result. fd_pread, fd_pwrite: fd, vector, count, offset, result. */
static uint32_t move(struct rc_wasi *w, const uint64_t *arg, uint32_t nr, uint64_t rights, int into_guest, int at) {
    struct rc_wasi_fd *f;
    uint32_t error = rc_wasi_fd_get(w, arg[0], at ? rights | RIGHT(FD_SEEK) : rights, &f);
    if (error || (error = rc_wasi_iov(w, arg[1], arg[2]))) {
        return error;
    }
    uint8_t *out = rc_wasi_at(w, arg[at ? 4 : 3], 4);
    if (!out) {
        return WASI_FAULT;
    }
    struct rc_wasi_transfer how = {.into_guest = into_guest, .whole = 1, .offset_place = at};
    if (into_guest) {
        how.whole = read_goes_on(w, f);
    }
    struct rc_call call = {.nr = nr, .arg = {f->sys}};
    if (at) {
        call.arg[at] = (int64_t)arg[3];
    }
    return rc_wasi_transfer(w, &call, &how, out);
}

RC_WASI_CALL(fd_read) {
    return move(w, arg, RC_SYS_read, RIGHT(FD_READ), 1, 0);
}

RC_WASI_CALL(fd_write) {
    return move(w, arg, RC_SYS_write, RIGHT(FD_WRITE), 0, 0);
}

RC_WASI_CALL(fd_pread) {
    return move(w, arg, RC_SYS_pread64, RIGHT(FD_READ), 1, 2);
}

RC_WASI_CALL(fd_pwrite) {
    return move(w, arg, RC_SYS_pwrite64, RIGHT(FD_WRITE), 0, 1);
}
