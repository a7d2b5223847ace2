/* In: a guest's calls that wait, and those that ask for the time. Out: Linux's answers. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "engine/linux/wasi/linux.h"

enum { POLL_MAX = 4096 };

int64_t sys_poll(struct rc_call *call) {
    static struct pollfd fds[POLL_MAX];
    const size_t count = call->data_len / sizeof *fds;
    if (call->data_len % sizeof *fds || count > POLL_MAX || call->reply_cap < call->data_len) {
        return -EINVAL;
    }
    memcpy(fds, call->data, call->data_len);
    int invalid = 0;
    for (size_t i = 0; i < count; i++) {
        if (fds[i].fd >= 0 && !sys_fd_ok(fds[i].fd)) {
            fds[i].fd = INT_MIN; /* the kernel passes over it */
            invalid++;
        }
    }
    int64_t timeout = invalid ? 0 : call->arg[0];
    struct timespec wait = {timeout / 1000, timeout % 1000 * 1000000};
    int64_t ret = sys_result(ppoll(fds, count, timeout < 0 ? NULL : &wait, NULL));
    if (ret < 0) {
        return ret;
    }
    const struct pollfd *asked = call->data;
    for (size_t i = 0; i < count; i++) {
        if (fds[i].fd == INT_MIN) {
            memcpy(&fds[i].fd, &asked[i].fd, sizeof fds[i].fd);
            fds[i].revents = POLLNVAL;
        }
    }
    memcpy(call->reply, fds, call->data_len);
    call->reply_len = call->data_len;
    return ret + invalid;
}

static int64_t time_reply(struct rc_call *call, int (*ask)(clockid_t, struct timespec *)) {
    struct timespec time;
    if (call->arg[0] < 0 || call->arg[0] > 11 || call->reply_cap < sizeof time) {
        return -EINVAL; /* negative clocks are those of other processes and of devices */
    }
    if (ask((clockid_t)call->arg[0], &time) < 0) {
        return -errno;
    }
    memcpy(call->reply, &time, sizeof time);
    call->reply_len = sizeof time;
    return 0;
}

int64_t sys_clock_gettime(struct rc_call *call) {
    return time_reply(call, clock_gettime);
}

int64_t sys_clock_getres(struct rc_call *call) {
    return time_reply(call, clock_getres);
}

int64_t sys_clock_nanosleep(struct rc_call *call) {
    const int64_t ns = call->arg[2];
    struct timespec time = {ns / 1000000000, ns % 1000000000};
    if (call->arg[0] < 0 || call->arg[0] > 11 || call->arg[1] & ~(int64_t)TIMER_ABSTIME || ns < 0) {
        return -EINVAL;
    }
    return -clock_nanosleep((clockid_t)call->arg[0], (int)call->arg[1], &time, NULL);
}
