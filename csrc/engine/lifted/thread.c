/* In: clone(2) for a thread. Out: a thread of this process for it, whose id, mask, signals, futexes and waits are the
 * kernel's own. The guest's registers are one set of globals, so one thread at a time has them: its turn. A thread
 * leaves the module to give its turn away (its wasm stack unwinds by returned pcs, and what it left is in `self`): at a
 * syscall that may wait, and at a safepoint when others have wanted a turn for a while. So no two threads run lifted
 * code at once, and what the lifter makes of LOCK-prefixed instructions need not be atomic. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/lifted/lifted.h"

enum { SLICE = 5000000 /* ns that a thread may keep its turn when others want it */, SETXID = 33 };
#define SHARED (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define KNOWN                                                                                                          \
    (SHARED | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID |         \
     CLONE_DETACHED)

int thread_count = 1;

/* What a thread is while another has the turn. */
struct state {
    struct registers registers;
    uint64_t fs, gs, pc;
};
static __thread struct {
    struct state state;
    struct call call; /* that may wait: made without the turn */
    int has_call, ended;
    uint64_t clear_tid;
} self;

struct thread {
    pthread_t id;
    uint8_t *stack;
    size_t stack_size;
    struct state start;
    uint64_t mask, clear_tid;
    pid_t tid;
    sem_t began;
    volatile int over;
    struct thread *next;
};
static struct thread *threads; /* all but the first; changed with the turn */
static __thread struct thread *mine;

/* ---- turns */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t freed = PTHREAD_COND_INITIALIZER, taken = PTHREAD_COND_INITIALIZER;
static int busy = 1, wanting;
static volatile int hurry; /* somebody has wanted a turn for long: looked at without the lock */
static uint64_t turns;

static void state_load(struct state *state) {
    registers_load(&state->registers);
    state->fs = segment_get(FS);
    state->gs = segment_get(GS);
}

static void state_store(const struct state *state) {
    registers_store(&state->registers);
    segment_set(FS, state->fs);
    segment_set(GS, state->gs);
}

static void take(void) {
    pthread_mutex_lock(&lock);
    wanting++;
    while (busy) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += SLICE;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&freed, &lock, &until) == ETIMEDOUT && busy) {
            hurry = 1;
            signal_pend();
        }
    }
    wanting--;
    busy = 1;
    turns++;
    pthread_cond_broadcast(&taken);
    pthread_mutex_unlock(&lock);
}

/* pass: not back before somebody else who wants it has had it. */
static void give(int pass) {
    pthread_mutex_lock(&lock);
    const uint64_t now = turns;
    hurry = 0;
    busy = 0;
    pthread_cond_signal(&freed);
    while (pass && wanting && turns == now) {
        pthread_cond_wait(&taken, &lock);
    }
    pthread_mutex_unlock(&lock);
}

/* ---- leaving the module */

static const uint16_t waiting_calls[] = {
    SYS_read,
    SYS_write,
    SYS_poll,
    SYS_select,
    SYS_pause,
    SYS_nanosleep,
    SYS_connect,
    SYS_accept,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_wait4,
    SYS_semop,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_fcntl,
    SYS_flock,
    SYS_readv,
    SYS_writev,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_sendfile,
    SYS_splice,
    SYS_tee,
    SYS_vmsplice,
    SYS_fsync,
    SYS_fdatasync,
    SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend,
    SYS_waitid,
    SYS_clock_nanosleep,
    SYS_epoll_wait,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_pselect6,
    SYS_ppoll,
    SYS_accept4,
    SYS_sched_yield,
    SYS_copy_file_range,
    SYS_exit,
};

static int futex_waits(uint64_t operation) {
    const uint64_t command = operation & FUTEX_CMD_MASK;
    return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI ||
           command == FUTEX_LOCK_PI2 || command == FUTEX_WAIT_REQUEUE_PI;
}

int thread_defers(const struct call *call) {
    if (call->nr == SYS_futex) {
        return futex_waits(call->arg[1]);
    }
    for (size_t i = 0; i < sizeof waiting_calls / sizeof *waiting_calls; i++) {
        if (waiting_calls[i] == call->nr) {
            return 1;
        }
    }
    return 0;
}

uint64_t thread_leave_for(const struct call *call) {
    self.call = *call;
    self.has_call = 1;
    return THREAD_LEAVES;
}

uint64_t thread_safepoint(uint64_t pc) {
    if (!hurry) {
        return pc;
    }
    self.state.pc = pc;
    self.has_call = 0;
    return THREAD_LEAVES;
}

uint64_t thread_left(void) {
    if (self.has_call && self.call.nr == SYS_exit) {
        return thread_exit((int)self.call.arg[0]);
    }
    state_load(&self.state);
    if (!self.has_call) {
        give(1);
        take();
        state_store(&self.state);
        return self.state.pc;
    }
    struct call call = self.call;
    give(call.nr == SYS_sched_yield);
    const int64_t result = syscall_answer(&call);
    take();
    state_store(&self.state);
    register_set(RAX, (uint64_t)syscall_finish(&call, result));
    return call.pc;
}

/* ---- the ends of a thread */

static void reap(void) {
    for (struct thread **at = &threads; *at;) {
        struct thread *thread = *at;
        if (!thread->over) {
            at = &thread->next;
            continue;
        }
        *at = thread->next;
        pthread_join(thread->id, NULL);
        munmap(thread->stack, thread->stack_size);
        sem_destroy(&thread->began);
        free(thread);
    }
}

uint64_t thread_exit(int status) {
    static const uint32_t zero = 0;
    if (thread_count == 1) {
        _exit(status & 0xff);
    }
    thread_count--;
    signal_thread_end();
    if (self.clear_tid && guest_write(self.clear_tid, &zero, sizeof zero) == 0) {
        HOST_NOW(SYS_futex, guest_pointer(self.clear_tid), FUTEX_WAKE, 1);
    }
    if (mine) {
        mine->over = 1;
    }
    give(0);
    if (!mine) {
        HOST_NOW(SYS_exit, (uint64_t)status);
    }
    return THREAD_ENDS;
}

static void *begin(void *argument) {
    struct thread *thread = argument;
    mine = thread;
    self.clear_tid = thread->clear_tid;
    self.state = thread->start;
    thread->tid = (pid_t)HOST_NOW(SYS_gettid, 0);
    signal_thread_begin(thread->mask);
    sem_post(&thread->began);
    take();
    state_store(&self.state);
    instance_loop(self.state.pc);
    return NULL;
}

static int64_t start(struct thread *thread) {
    pthread_attr_t attributes;
    thread->stack_size = instance_stack_size();
    thread->stack =
        mmap(NULL, thread->stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (thread->stack == MAP_FAILED) {
        return -EAGAIN;
    }
    sem_init(&thread->began, 0, 0);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, thread->stack, thread->stack_size);
    const int failed =
        mprotect(thread->stack, PAGE, PROT_NONE) < 0 || pthread_create(&thread->id, &attributes, begin, thread) != 0;
    pthread_attr_destroy(&attributes);
    if (failed) {
        munmap(thread->stack, thread->stack_size);
        return -EAGAIN;
    }
    while (sem_wait(&thread->began) < 0) {
    }
    /* The first time, the C library took this one for itself, and unblocked it. */
    signal_set_action(SETXID, &(struct action){signal_action[SETXID].handler, signal_action[SETXID].flags,
                                               signal_action[SETXID].restorer, signal_action[SETXID].mask});
    signal_set_mask(thread->mask);
    return thread->tid;
}

HANDLER(clone) {
    const uint64_t flags = call->arg[0], stack = call->arg[1];
    if (((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) || ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM))) {
        return -EINVAL;
    }
    if ((flags & SHARED) != SHARED) {
        return -ENOSYS; /* a process */
    }
    if (flags & ~(uint64_t)KNOWN) {
        return -EINVAL;
    }
    reap();
    struct thread *thread = calloc(1, sizeof *thread);
    if (!thread) {
        return -EAGAIN;
    }
    state_load(&thread->start);
    thread->start.pc = call->pc;
    thread->start.registers.gpr[RAX] = 0;
    if (stack) {
        thread->start.registers.gpr[RSP] = stack;
    }
    if (flags & CLONE_SETTLS) {
        thread->start.fs = call->arg[4];
    }
    thread->mask = signal_mask();
    thread->clear_tid = flags & CLONE_CHILD_CLEARTID ? call->arg[3] : 0;
    const int64_t tid = start(thread);
    if (tid < 0) {
        free(thread);
        return tid;
    }
    const int32_t told = (int32_t)tid;
    if (flags & CLONE_PARENT_SETTID) {
        guest_write(call->arg[2], &told, sizeof told);
    }
    if (flags & CLONE_CHILD_SETTID) {
        guest_write(call->arg[3], &told, sizeof told);
    }
    thread->next = threads;
    threads = thread;
    thread_count++;
    return tid;
}

HANDLER(set_tid_address) {
    self.clear_tid = call->arg[0];
    return HOST_NOW(SYS_gettid, 0);
}
