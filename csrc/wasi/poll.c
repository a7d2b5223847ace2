/* In: subscriptions to clocks and fds. Out: the events that happened first, by one poll(2) or clock_nanosleep(2). */
#include "wasi/guest.h"

#include <errno.h>

#include "wasi/linux.h"

enum {
    SUBSCRIPTION = 48,
    EVENT = 32,
    POLLFD = 8,
    POLL_MAX = 4096,
    ON_CLOCK = 0,
    ON_READ = 1,
    ON_WRITE = 2,
    HANGUP = 1
};

struct wait {
    uint64_t userdata;
    uint64_t due; /* a clock: nanoseconds from now */
    struct rc_wasi_fd *f;
    uint32_t place; /* an fd: its place among the pollfds */
    uint16_t error;
    uint8_t kind, happened;
};

/* All of one call: the guest's memory is not read again once it may have been written. */
struct poll {
    struct wait *wait;
    uint32_t waits, fds, failed;
    uint8_t *ask, *answer; /* struct pollfd[] */
    uint64_t first_due;    /* UINT64_MAX: no clock among them */
};

/* ---- subscriptions */

/* union at 16: clock id u32, pad, timeout u64, precision u64, flags u16 */
static uint32_t clock_wait(struct rc_wasi *w, struct poll *p, struct wait *wait, const uint8_t *sub) {
    uint64_t clock = rc_load(sub + 16, 4), flags = rc_load(sub + 40, 2), now = 0;
    wait->due = rc_load(sub + 24, 8);
    if (clock > 3 || flags > 1) {
        return WASI_INVAL;
    }
    if (clock > 1) {
        return WASI_NOTSUP; /* who sleeps does not spend CPU time */
    }
    if (flags) {
        uint32_t error = rc_wasi_now(w, clock, &now);
        if (error) {
            return error;
        }
        wait->due = wait->due > now ? wait->due - now : 0;
    }
    p->first_due = wait->due < p->first_due ? wait->due : p->first_due;
    return WASI_SUCCESS;
}

/* union at 16: fd u32 */
static uint32_t fd_wait(struct rc_wasi *w, struct poll *p, struct wait *wait, const uint8_t *sub) {
    uint32_t error = rc_wasi_fd_get(w, rc_load(sub + 16, 4), RIGHT(POLL_FD_READWRITE), &wait->f);
    if (error) {
        return error;
    }
    uint8_t *ask = p->ask + (uint64_t)POLLFD * p->fds;
    rc_store(ask, 4, (uint64_t)wait->f->sys);
    rc_store(ask + 4, 4, wait->kind == ON_READ ? LX_POLLIN : LX_POLLOUT);
    wait->place = p->fds++;
    return WASI_SUCCESS;
}

static uint32_t subscribe(struct rc_wasi *w, struct poll *p, const uint8_t *sub) {
    struct wait *wait = &p->wait[p->waits++];
    *wait = (struct wait){.userdata = rc_load(sub, 8), .kind = sub[8]};
    if (wait->kind > ON_WRITE) {
        return WASI_INVAL;
    }
    wait->error = (uint16_t)(wait->kind == ON_CLOCK ? clock_wait(w, p, wait, sub) : fd_wait(w, p, wait, sub));
    wait->happened = wait->error != 0; /* a subscription that cannot be is an event at once */
    p->failed += wait->happened;
    return WASI_SUCCESS;
}

/* ---- waiting */

/* Only clocks: sleeps until the first is due. */
static int64_t sleep_until_due(struct rc_wasi *w, const struct poll *p) {
    uint64_t ns = p->first_due < INT64_MAX ? p->first_due : INT64_MAX;
    struct rc_call call = {.nr = RC_SYS_clock_nanosleep, .arg = {1, 0, (int64_t)ns}}; /* CLOCK_MONOTONIC */
    int64_t ret = ns > 0 ? rc_wasi_syscall(w, &call) : 0;
    return ret < 0 ? ret : 0;
}

/* poll(2) counts milliseconds in an int: rounded up, so that a clock is never early, and again when that is too few. */
static int64_t poll_until_due(struct rc_wasi *w, const struct poll *p) {
    uint64_t left = p->failed ? 0 : p->first_due;
    for (;;) {
        uint64_t ms = left / 1000000 + (left % 1000000 != 0);
        ms = ms < INT32_MAX ? ms : INT32_MAX;
        struct rc_call call = {.nr = RC_SYS_poll, .data = p->ask, .data_len = (size_t)POLLFD * p->fds};
        call.arg[0] = p->failed == 0 && p->first_due == UINT64_MAX ? -1 : (int64_t)ms;
        call.reply = p->answer;
        call.reply_cap = call.data_len;
        int64_t ret = rc_wasi_syscall(w, &call);
        if (ret >= 0 && call.reply_len != call.reply_cap) {
            return -EIO;
        }
        if (ret != 0 || call.arg[0] < 0 || left <= ms * 1000000) {
            return ret;
        }
        left -= ms * 1000000;
    }
}

/* ---- events */

/* How much a read would give: exact for regular files, else "something". */
static uint64_t bytes_ready(struct rc_wasi *w, struct rc_wasi_fd *f) {
    uint8_t st[STAT_BYTES];
    int type;
    if (rc_wasi_fd_type(w, f, &type) || type != FILETYPE_REGULAR_FILE) {
        return 1;
    }
    struct rc_call size = {.nr = RC_SYS_fstat, .arg = {f->sys}, .reply = st, .reply_cap = sizeof st};
    struct rc_call offset = {.nr = RC_SYS_lseek, .arg = {f->sys, 0, LX_SEEK_CUR}};
    if (rc_wasi_syscall(w, &size) < 0 || size.reply_len != sizeof st) {
        return 1;
    }
    int64_t end = (int64_t)rc_load(st + STAT_SIZE, 8), at = rc_wasi_syscall(w, &offset);
    return at >= 0 && end > at ? (uint64_t)(end - at) : 0;
}

static void event_store(struct rc_wasi *w, uint8_t *out, struct wait *wait, uint64_t revents) {
    uint64_t nbytes = 0, flags = 0;
    if (wait->kind != ON_CLOCK && !wait->error) {
        uint64_t error_alone = revents & LX_POLLERR && !(revents & LX_POLLHUP);
        if (revents & LX_POLLNVAL) {
            wait->error = WASI_BADF;
        } else if (wait->kind == ON_WRITE && error_alone) {
            wait->error = WASI_PIPE; /* nobody reads the pipe any more; wasi-libc's poll makes POLLHUP of it */
        } else if (error_alone && !(revents & LX_POLLIN)) {
            wait->error = WASI_IO;
        } else {
            flags = revents & LX_POLLHUP ? HANGUP : 0;
            nbytes = wait->kind == ON_WRITE ? 1 : revents & LX_POLLIN ? bytes_ready(w, wait->f) : 0;
        }
    }
    memset(out, 0, EVENT);
    rc_store(out, 8, wait->userdata);
    rc_store(out + 8, 2, wait->error);
    rc_store(out + 10, 1, wait->kind);
    rc_store(out + 16, 8, nbytes);
    rc_store(out + 24, 2, flags);
}

static uint32_t events_store(struct rc_wasi *w, struct poll *p, int clocks_due, uint8_t *out) {
    uint32_t events = 0;
    for (uint32_t i = 0; i < p->waits; i++) {
        struct wait *wait = &p->wait[i];
        uint64_t revents = 0;
        if (!wait->error && wait->kind == ON_CLOCK) {
            wait->happened = wait->due == 0 || (clocks_due && wait->due <= p->first_due);
        } else if (!wait->error) {
            revents = rc_load(p->answer + (uint64_t)POLLFD * wait->place + 6, 2);
            wait->happened = revents != 0;
        }
        if (wait->happened) {
            event_store(w, out + (uint64_t)EVENT * events++, wait, revents);
        }
    }
    return events;
}

RC_WASI_CALL(poll_oneoff) {
    enum { IN, OUT, COUNT, RESULT };
    uint64_t n = arg[COUNT];
    if (n == 0 || n > POLL_MAX) {
        return WASI_INVAL;
    }
    const uint8_t *in = rc_wasi_at(w, arg[IN], n * SUBSCRIPTION);
    uint8_t *out = rc_wasi_at(w, arg[OUT], n * EVENT), *result = rc_wasi_at(w, arg[RESULT], 4);
    if (!in || !out || !result) {
        return WASI_FAULT;
    }
    uint8_t *scratch = rc_wasi_bounce(w, n * (sizeof(struct wait) + 2 * POLLFD));
    if (!scratch) {
        return WASI_NOMEM;
    }
    struct poll p = {.wait = (struct wait *)(void *)scratch, .first_due = UINT64_MAX};
    p.ask = scratch + n * sizeof(struct wait);
    p.answer = p.ask + n * POLLFD;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t error = subscribe(w, &p, in + SUBSCRIPTION * i);
        if (error) {
            return error;
        }
    }
    int64_t ret = p.fds ? poll_until_due(w, &p) : p.failed ? 0 : sleep_until_due(w, &p);
    if (ret < 0) {
        return rc_wasi_errno(ret);
    }
    rc_store(result, 4, events_store(w, &p, ret == 0 && !p.failed, out));
    return WASI_SUCCESS;
}
