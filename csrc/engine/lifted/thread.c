/* In: a guest's wish for a thread. Out: a thread of this process for it, whose id, mask, signals, futexes and waits are
 * the kernel's own. The guest's registers are one set of globals, so one thread at a time has them: its turn. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/lifted/lifted.h"

enum { SLICE = 5000000 /* ns that a thread may keep its turn when others want it */, SETXID = 33 };

int thread_count = 1;

/* What a thread is while another has the turn. */
struct state {
    struct registers registers;
    uint64_t fs, gs;
};
static __thread struct {
    struct state state;
    uint64_t clear_tid;
} self;

struct thread {
    pthread_t id;
    uint8_t *stack;
    size_t stack_size;
    struct state start;
    uint64_t pc, mask, clear_tid;
    pid_t tid;
    sem_t began;
    volatile int over;
    struct thread *next;
};
static struct thread *threads; /* all but the first; changed with the turn */
static __thread struct thread *mine;
static struct {
    void (*run)(uint64_t pc);
    uint64_t stack_size;
} loop;

void thread_begin(void (*run)(uint64_t pc), uint64_t stack_size) {
    loop.run = run;
    loop.stack_size = stack_size;
}

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

void thread_give(int pass) {
    state_load(&self.state);
    give(pass);
}

void thread_take(void) {
    take();
    state_store(&self.state);
}

int thread_should_give(void) {
    return hurry;
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

void thread_exit(int status) {
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
}

static void *begin(void *argument) {
    struct thread *thread = argument;
    mine = thread;
    self.clear_tid = thread->clear_tid;
    self.state = thread->start;
    thread->tid = (pid_t)HOST_NOW(SYS_gettid, 0);
    signal_thread_begin(thread->mask);
    sem_post(&thread->began);
    thread_take();
    loop.run(thread->pc);
    return NULL;
}

static int64_t start(struct thread *thread) {
    pthread_attr_t attributes;
    thread->stack_size = loop.stack_size;
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

int64_t thread_create(const struct birth *birth) {
    reap();
    struct thread *thread = calloc(1, sizeof *thread);
    if (!thread) {
        return -EAGAIN;
    }
    state_load(&thread->start);
    thread->start.registers.gpr[RAX] = 0;
    thread->start.registers.gpr[RSP] = birth->rsp;
    thread->start.fs = birth->fs;
    thread->pc = birth->pc;
    thread->mask = signal_mask();
    thread->clear_tid = birth->clear_tid;
    const int64_t tid = start(thread);
    if (tid < 0) {
        free(thread);
        return tid;
    }
    thread->next = threads;
    threads = thread;
    thread_count++;
    return tid;
}

void thread_clear_tid(uint64_t address) {
    self.clear_tid = address;
}
