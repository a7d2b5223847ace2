/* In: a syscall of the guest, or a safepoint. Out: its answer, and where the guest goes on. A thread leaves the module
 * to give its turn away (its wasm stack unwinds by returned pcs, and what it left is in `left`): at a syscall that may
 * wait, and at a safepoint when others have wanted a turn for a while. So no two threads run lifted code at once, and
 * what the lifter makes of LOCK-prefixed instructions need not be atomic. */
#include <sys/syscall.h>

#include "engine/kind/lifted/kind.h"

static __thread struct {
    struct call call; /* that may wait: made without the turn */
    int has_call;
    uint64_t pc; /* where it goes on, when it has no call */
} left;

int64_t syscall_perform(struct call *call) {
    if (thread_count > 1 && syscall_may_wait(call)) {
        left.call = *call;
        left.has_call = 1;
        call->pc = THREAD_LEAVES;
        return (int64_t)register_get(RAX);
    }
    return syscall_finish(call, signal_waiting ? SYS_RESTART : syscall_answer(call));
}

uint64_t thread_safepoint(uint64_t pc) {
    if (!thread_should_give()) {
        return pc;
    }
    left.pc = pc;
    left.has_call = 0;
    return THREAD_LEAVES;
}

uint64_t thread_left(void) {
    if (!left.has_call) {
        thread_give(1);
        thread_take();
        return left.pc;
    }
    struct call call = left.call;
    if (call.nr == SYS_exit) {
        thread_exit((int)call.arg[0]);
        return THREAD_ENDS;
    }
    thread_give(call.nr == SYS_sched_yield);
    const int64_t result = syscall_answer(&call);
    thread_take();
    register_set(RAX, (uint64_t)syscall_finish(&call, result));
    return call.pc;
}
