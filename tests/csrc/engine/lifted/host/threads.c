/* Threads: their ids, locks, conditions, waits, signals and ends. */
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

enum { THREADS = 8, TIMES = 20000 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_key_t key;
static sem_t posted;
static long shared, ended;
static volatile int ready;
static __thread long own;
static __thread volatile sig_atomic_t signalled;
static volatile pid_t signalled_tid;
static int ends[2];

static void *counting(void *argument) {
    own = (long)argument;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < TIMES; i++) {
        pthread_mutex_lock(&lock);
        shared++;
        pthread_mutex_unlock(&lock);
        __atomic_fetch_add(&ended, 1, __ATOMIC_SEQ_CST);
        own += i % 3;
    }
    return (void *)own;
}

static void counters(void) {
    pthread_t thread[THREADS];
    long sum = 0;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (long i = 0; i < THREADS; i++) {
        SAY(pthread_create(&thread[i], NULL, counting, (void *)i));
    }
    for (int i = 0; i < THREADS; i++) {
        void *value;
        pthread_join(thread[i], &value);
        sum += (long)value;
    }
    SAY(shared);
    SAY(ended);
    SAY(sum);
    SAY(own);
}

static void *reading(void *argument) {
    char c = 0;
    (void)argument;
    if (read(ends[0], &c, 1) != 1) { /* until the other thread writes */
        abort();
    }
    pthread_mutex_lock(&lock);
    ready = c;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void waits(void) {
    pthread_t thread;
    struct timespec soon;
    SAY(pipe(ends));
    pthread_create(&thread, NULL, reading, NULL);
    usleep(1000);
    SAY(write(ends[1], "r", 1));
    pthread_mutex_lock(&lock);
    while (!ready) {
        pthread_cond_wait(&changed, &lock);
    }
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 1000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    SAY(pthread_cond_timedwait(&changed, &lock, &soon) == ETIMEDOUT);
    pthread_mutex_unlock(&lock);
    SAY(pthread_join(thread, NULL));
    SAY(ready);
}

static void *yielding(void *argument) {
    (void)argument;
    ready = 2;
    while (ready == 2) {
        sched_yield();
    }
    ready = 4;
    return NULL;
}

static void yields(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, yielding, NULL);
    while (ready != 2) {
        sched_yield();
    }
    ready = 3;
    SAY(pthread_join(thread, NULL));
    SAY(ready);
}

static void on_signal(int sig) {
    signalled = sig;
    signalled_tid = (pid_t)syscall(SYS_gettid);
}

static void *waiting_for_signal(void *argument) {
    *(pid_t *)argument = (pid_t)syscall(SYS_gettid);
    sem_post(&posted);
    while (!signalled) {
        const struct timespec second = {1, 0}; /* whole only if the signal was faster than this call */
        nanosleep(&second, NULL);
    }
    return (void *)(long)signalled;
}

static void signals(void) {
    pthread_t thread;
    void *value;
    static pid_t tid;
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    sem_init(&posted, 0, 0);
    pthread_create(&thread, NULL, waiting_for_signal, &tid);
    sem_wait(&posted);
    usleep(2000);
    SAY(tid != getpid());
    SAY(syscall(SYS_tgkill, getpid(), tid, SIGUSR1));
    SAY(pthread_join(thread, &value));
    SAY((long)value);
    SAY(signalled_tid == tid);
    SAY(signalled);
}

static __thread sigjmp_buf back;

static void on_fault(int sig, siginfo_t *info, void *context) {
    (void)context;
    siglongjmp(back, info->si_addr == (void *)8 ? sig : -1);
}

static void *faulting(void *argument) {
    long faults = 0;
    for (long i = 0; i < (long)argument; i++) {
        const int sig = sigsetjmp(back, 1);
        if (sig == 0) {
            *(volatile int *)8 = 1;
        }
        faults += sig == SIGSEGV;
    }
    return (void *)faults;
}

static void faults_at_once(void) {
    pthread_t thread[4];
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    for (int i = 0; i < 4; i++) {
        pthread_create(&thread[i], NULL, faulting, (void *)50L);
    }
    for (int i = 0; i < 4; i++) {
        void *value;
        pthread_join(thread[i], &value);
        SAY((long)value);
    }
    signal(SIGSEGV, SIG_DFL);
}

static void destructor(void *value) {
    printf("destructor %ld\n", (long)value);
}

static void *cancelled(void *argument) {
    (void)argument;
    pthread_setspecific(key, (void *)77);
    sem_post(&posted);
    for (;;) {
        sleep(10);
    }
}

static void cancels(void) {
    pthread_t thread;
    void *value;
    SAY(pthread_key_create(&key, destructor));
    pthread_create(&thread, NULL, cancelled, NULL);
    sem_wait(&posted);
    const int asked = pthread_cancel(thread);
    SAY(pthread_join(thread, &value));
    SAY(asked);
    SAY(value == PTHREAD_CANCELED);
}

static void *many(void *argument) {
    return argument;
}

static void flood(void) { /* ends and beginnings */
    long sum = 0;
    for (long i = 0; i < 300; i++) {
        pthread_t thread;
        void *value;
        if (pthread_create(&thread, NULL, many, (void *)i) != 0 || pthread_join(thread, &value) != 0) {
            abort();
        }
        sum += (long)value;
    }
    SAY(sum);
}

static void *last(void *argument) {
    pthread_join(*(pthread_t *)argument, NULL);
    printf("the first has ended\n");
    exit(7);
}

void threads(void) {
    static pthread_t self, thread;
    counters();
    waits();
    yields();
    signals();
    faults_at_once();
    cancels();
    flood();
    SAY(syscall(SYS_clone, CLONE_VM | CLONE_THREAD, 0, 0, 0, 0)); /* a thread with signals of its own */
    SAY(syscall(SYS_futex, &shared, FUTEX_WAIT, 1, NULL));
    self = pthread_self();
    pthread_create(&thread, NULL, last, &self);
    pthread_exit(NULL);
}
