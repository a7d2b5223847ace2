/* In: a connection and a command. Out: one guest from spawn to exit, with this process's signals, and its terminal. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "vkexec/vkexec.h"

enum { SPAWN_ID = 1 };

/* What is passed on. One that this process was started without (nohup) never comes. */
static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH};

struct guest {
    int socket, signals, outer; /* outer: the pty's, or -1 */
    int64_t pid;                /* -1 until the vkernel has told it */
    int status;                 /* -1 until it has ended */
};

/* The guest's process group has no parent in its session, so SIGTSTP would do nothing there; SIGSTOP does. */
static int pass_on(const struct guest *g, int sig, struct rc_error *err) {
    if (sig == SIGWINCH) {
        if (g->outer >= 0) {
            terminal_resize(g->outer); /* the pty sends its own */
        }
        return 0;
    }
    if (client_signal(g->socket, g->pid, sig == SIGTSTP ? SIGSTOP : sig, err) < 0) {
        return -1;
    }
    if (sig == SIGTSTP) {
        terminal_raw(0);
        kill(getpid(), SIGSTOP);
        terminal_raw(1);
    }
    return 0;
}

static int take_signals(const struct guest *g, struct rc_error *err) {
    struct signalfd_siginfo info;
    while (read(g->signals, &info, sizeof info) == sizeof info) {
        if (pass_on(g, (int)info.ssi_signo, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* It died of a signal, or it has a code. */
static int is_end(const struct answer *answer) {
    return strcmp(answer->type, "exit") == 0 &&
           (answer->signal < 0 ? answer->code >= 0 : answer->signal > 0 && answer->signal < NSIG);
}

/* 0, or -1 when this guest is not going to run: its status is known. */
static int take_line(struct guest *g, const char *argv0, struct rc_error *err) {
    struct answer answer;
    if (client_next(g->socket, &answer, err) < 0) {
        g->status = complain(err);
    } else if (answer.id == SPAWN_ID && strcmp(answer.status, "denied") == 0 && answer.reason[0]) {
        g->status = denied(&answer, argv0);
    } else if (g->pid < 0 && answer.id == SPAWN_ID && answer.pid >= 0) {
        g->pid = answer.pid;
    } else if (g->pid >= 0 && is_end(&answer) && answer.pid == g->pid) {
        g->status = answer.signal > 0 ? 128 + (int)answer.signal : (int)answer.code & 0xff;
    } else {
        rc_fail(err, RC_E_RPC_REPLY, 0, "the vkernel answers what was not asked");
        g->status = complain(err);
    }
    return g->status < 0 ? 0 : -1;
}

static void follow(struct guest *g, const char *argv0) {
    struct rc_error err = {0};
    while (g->status < 0) {
        struct pollfd watched[] = {
            {.fd = -1}, {.fd = -1}, {.fd = g->socket, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
        watched[3].fd = g->pid >= 0 ? g->signals : -1; /* nobody to pass them on to yet: they wait */
        if (g->outer >= 0) {
            terminal_watch(g->outer, watched);
            watched[0].fd = g->pid >= 0 ? watched[0].fd : -1; /* a ^C typed now would find nobody */
        }
        if (!client_has_line() && poll(watched, 4, -1) < 0 && errno != EINTR) {
            return;
        }
        if (g->outer >= 0 && terminal_copy(g->outer, watched) < 0) {
            close(g->outer);
            g->outer = -1;
        }
        if (watched[3].revents && take_signals(g, &err) < 0) {
            g->status = complain(&err);
        }
        while (g->status < 0 && (watched[2].revents || client_has_line())) {
            take_line(g, argv0, &err);
            watched[2].revents = 0;
        }
    }
}

int run(int socket, const struct spawn *spawn) {
    struct rc_error err = {0};
    struct guest g = {.socket = socket, .outer = -1, .pid = -1, .status = -1};
    int fd[3] = {0, 1, 2}, inner = -1;
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        sigaddset(&set, passed[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    g.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (spawn->tty) {
        g.outer = terminal_open(&inner, &err);
        if (g.outer < 0) {
            return complain(&err);
        }
        fd[0] = fd[1] = fd[2] = inner;
    }
    int sent = client_spawn(socket, SPAWN_ID, spawn, fd, &err);
    if (inner >= 0) {
        close(inner);
    }
    if (sent < 0) {
        terminal_raw(0);
        return complain(&err);
    }
    follow(&g, spawn->argv[0]);
    while (g.outer >= 0) { /* its last words; the other end may be held by a sibling, so nobody is waited for */
        struct pollfd rest[2] = {{.fd = -1}, {.fd = g.outer, .events = POLLIN}};
        if (poll(rest, 2, 0) <= 0 || !(rest[1].revents & POLLIN) || terminal_copy(g.outer, rest) < 0) {
            break;
        }
    }
    terminal_raw(0);
    return g.status;
}
