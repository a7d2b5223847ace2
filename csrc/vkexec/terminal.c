/* In: this process's fds 0 and 1. Out: a pty whose other end is a guest's terminal, and bytes between the two. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "vkexec/vkexec.h"

static struct termios plain, given; /* of fd 0, before */
static int is_terminal;             /* fd 0 is one */
static char typed[4096];            /* read from fd 0, not yet taken by the guest */
static size_t typed_at, typed_len;
static int typed_end; /* fd 0 has no more */

void terminal_raw(int raw) {
    if (is_terminal) {
        tcsetattr(STDIN_FILENO, TCSANOW, raw ? &given : &plain);
    }
}

static void restore(void) {
    terminal_raw(0);
}

/* Whatever ends this process restores the terminal; only SIGKILL cannot be helped. */
static void restore_and_die(int sig) {
    terminal_raw(0);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void restore_at_the_end(void) {
    static const int deadly[] = {SIGALRM, SIGVTALRM, SIGPROF, SIGPIPE, SIGABRT, SIGSEGV, SIGBUS,
                                 SIGFPE,  SIGILL,    SIGXCPU, SIGSYS,  SIGTRAP, SIGPWR,  SIGIO};
    atexit(restore);
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        signal(deadly[i], restore_and_die);
    }
}

int terminal_open(int *inner, struct rc_error *err) {
    int outer = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (outer < 0 || grantpt(outer) < 0 || unlockpt(outer) < 0 ||
        (*inner = open(ptsname(outer), O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
        return rc_fail(err, RC_E_PROCESS_FDS, 0, "no pseudo-terminal: %s", strerror(errno));
    }
    is_terminal = tcgetattr(STDIN_FILENO, &plain) == 0;
    if (is_terminal) {
        given = plain;
        cfmakeraw(&given);
        restore_at_the_end();
        terminal_resize(outer);
        terminal_raw(1);
    }
    return outer;
}

void terminal_resize(int outer) {
    struct winsize size;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) {
        ioctl(outer, TIOCSWINSZ, &size);
    }
}

void terminal_watch(int outer, struct pollfd watched[2]) {
    const int waiting = typed_at < typed_len;
    watched[0] = (struct pollfd){.fd = typed_end || waiting ? -1 : STDIN_FILENO, .events = POLLIN};
    watched[1] = (struct pollfd){.fd = outer, .events = (short)(POLLIN | (waiting ? POLLOUT : 0))};
}

static void write_all(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t wrote = write(fd, bytes, len);
        if (wrote < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        } else if (wrote < 0 && errno != EINTR) {
            return; /* nobody reads: the guest runs on, as with a closed window */
        }
        bytes += wrote > 0 ? wrote : 0;
        len -= wrote > 0 ? (size_t)wrote : 0;
    }
}

/* The end of a file is typed: ^D, which the line discipline makes an end of. */
static void take_input(void) {
    ssize_t got = read(STDIN_FILENO, typed, sizeof typed);
    if (got <= 0 && (got == 0 || (errno != EINTR && errno != EAGAIN))) {
        typed_end = 1;
        typed[0] = 4;
        got = 1;
    }
    typed_at = 0;
    typed_len = got > 0 ? (size_t)got : 0;
}

int terminal_copy(int outer, const struct pollfd watched[2]) {
    char bytes[4096];
    if (watched[0].fd >= 0 && watched[0].revents) {
        take_input();
    }
    if (typed_at < typed_len) {
        ssize_t wrote = write(outer, typed + typed_at, typed_len - typed_at);
        typed_at += wrote > 0 ? (size_t)wrote : 0;
    }
    if (watched[1].revents & (POLLIN | POLLHUP | POLLERR)) {
        ssize_t got = read(outer, bytes, sizeof bytes);
        if (got <= 0) {
            return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
        }
        write_all(STDOUT_FILENO, bytes, (size_t)got);
    }
    return 0;
}
