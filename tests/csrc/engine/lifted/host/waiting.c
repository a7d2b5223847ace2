/* Waiting for fds, for time, for events. */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

#include "check.h"

void waiting(void) {
    int ends[2];
    SAY(pipe(ends));
    struct pollfd p[3] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}, {77, POLLIN, 0}};
    SAY(poll(p, 3, 0));
    printf("%d %d %d\n", p[0].revents, p[1].revents, p[2].revents);
    SAY(poll(p, 1, 10));
    fd_set in;
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    struct timeval soon = {0, 1000};
    SAY(select(ends[0] + 1, &in, NULL, NULL, &soon));
    SAY(write(ends[1], "xy", 2));
    FD_SET(ends[0], &in);
    struct timespec wait = {1, 0};
    sigset_t none;
    sigemptyset(&none);
    SAY(pselect(ends[0] + 1, &in, NULL, NULL, &wait, &none));
    SAY(FD_ISSET(ends[0], &in));
    SAY(ppoll(p, 2, &wait, &none));

    const int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef0}, got[4];
    SAY(epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &event));
    SAY(epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &event));
    SAY(epoll_pwait(ep, got, 4, 100, &none));
    printf("%x %llx\n", got[0].events, (unsigned long long)got[0].data.u64);

    const int ev = eventfd(5, EFD_NONBLOCK);
    unsigned long long value = 3;
    SAY(write(ev, &value, 8));
    SAY(read(ev, &value, 8));
    SAY(value);
    SAY(read(ev, &value, 8));

    const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec when = {.it_value = {0, 2000000}}, old;
    SAY(timerfd_settime(timer, 0, &when, &old));
    SAY(read(timer, &value, 8));
    SAY(value);

    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    const int sfd = signalfd(-1, &usr1, 0);
    struct signalfd_siginfo info;
    raise(SIGUSR1);
    SAY(read(sfd, &info, sizeof info));
    SAY(info.ssi_signo);
    raise(SIGUSR1);
    siginfo_t si;
    SAY(sigwaitinfo(&usr1, &si));
    SAY(si.si_code);
    const struct timespec tiny = {0, 1000000};
    SAY(sigtimedwait(&usr1, &si, &tiny));

    const int notify = inotify_init1(IN_NONBLOCK);
    SAY(inotify_add_watch(notify, ".", IN_CREATE) > 0);
    close(open("watched", O_CREAT | O_WRONLY, 0600));
    char text[256];
    const long n = read(notify, text, sizeof text);
    SAY(n > 0 && strcmp(((struct inotify_event *)text)->name, "watched") == 0);

    struct timespec before, after, half = {0, 5000000}, rest;
    SAY(clock_gettime(CLOCK_MONOTONIC, &before));
    SAY(nanosleep(&half, &rest));
    SAY(clock_nanosleep(CLOCK_MONOTONIC, 0, &half, NULL));
    SAY(clock_gettime(CLOCK_MONOTONIC, &after));
    const long ns = (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec;
    SAY(ns >= 10000000);
    SAY(clock_gettime(-77, &before));
    SAY(time(NULL) > 1700000000);
    struct timeval tv;
    SAY(gettimeofday(&tv, NULL));
}
