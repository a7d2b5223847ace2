/* In: a guest's calls about itself. Out: Linux's answers. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include "engine/linux/wasi/linux.h"

int64_t sys_getpid(struct rc_call *call) {
    (void)call;
    return getpid();
}

int64_t sys_kill(struct rc_call *call) {
    return call->arg[0] == getpid() ? sys_result(kill(getpid(), (int)call->arg[1])) : -ESRCH;
}

int64_t sys_sched_yield(struct rc_call *call) {
    (void)call;
    return sched_yield();
}

int64_t sys_exit(struct rc_call *call) {
    _exit((int)call->arg[0] & 0xff);
}

int64_t sys_getrandom(struct rc_call *call) {
    return sys_reply(call, getrandom(call->reply, sys_room(call, call->arg[0]), (unsigned)call->arg[1] & 7));
}
