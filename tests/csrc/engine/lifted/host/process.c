/* The process: who it is, what it was started with, its limits. */
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>

#include "check.h"

extern char **environ;
static __thread int in_tls = 41;

void process(void) {
    SAY(getpid() == syscall(SYS_gettid));
    SAY(getppid() > 0);
    SAY(getuid());
    SAY(geteuid());
    SAY(getgid());
    SAY(getpgrp() == getpgid(0));
    SAY(in_tls++);
    SAY(in_tls);
    for (char **e = environ; *e; e++) {
        printf("env %s\n", *e);
    }
    SAY(getauxval(AT_PAGESZ));
    SAY(getauxval(AT_SECURE));
    SAY(getauxval(AT_CLKTCK));
    SAY(getauxval(AT_PHENT));
    SAY(getauxval(AT_UID) == getuid());
    SAY(getauxval(AT_RANDOM) != 0);
    printf("%s\n", (char *)getauxval(AT_PLATFORM));
    struct utsname name;
    SAY(uname(&name));
    printf("%s %s %s\n", name.sysname, name.release, name.machine);
    struct rlimit limit;
    SAY(getrlimit(RLIMIT_STACK, &limit));
    SAY(limit.rlim_cur);
    limit.rlim_cur = 123;
    SAY(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 100;
    SAY(setrlimit(RLIMIT_NOFILE, &limit));
    SAY(dup2(0, 100));
    SAY(dup2(0, 99));
    SAY(getrlimit(99, &limit));
    limit.rlim_cur = 1UL << 30;
    limit.rlim_max = RLIM_INFINITY;
    SAY(setrlimit(RLIMIT_AS, &limit));
    SAY(getrlimit(RLIMIT_AS, &limit));
    SAY(limit.rlim_cur);
    struct rusage usage;
    SAY(getrusage(RUSAGE_SELF, &usage));
    struct tms tms;
    SAY(times(&tms) > 0);
    struct sysinfo info;
    SAY(sysinfo(&info));
    char text[64] = "";
    SAY(prctl(PR_SET_NAME, "renamed"));
    SAY(prctl(PR_GET_NAME, text));
    printf("%s\n", text);
    SAY(prctl(12345, 0));
    unsigned char random[16] = {0};
    SAY(getrandom(random, sizeof random, 0));
    SAY(umask(027));
    SAY(umask(022));
    SAY(syscall(999));
    SAY(getpriority(PRIO_PROCESS, 0));
    SAY(sysconf(_SC_NPROCESSORS_ONLN) > 0);
    const int fd = open("/proc/self/cmdline", O_RDONLY);
    const long n = read(fd, text, sizeof text);
    SAY(n > 0 && memchr(text, 0, (size_t)n) && strcmp(text + strlen(text) + 1, "process") == 0);
    char exe[4096] = "";
    SAY(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0);
    printf("%s\n", strrchr(exe, '/'));
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long from, to, here = (unsigned long)&fd;
    int stack = 0;
    while (maps && fgets(exe, sizeof exe, maps)) {
        stack |= sscanf(exe, "%lx-%lx", &from, &to) == 2 && from <= here && here < to && strstr(exe, "[stack]");
    }
    SAY(stack);
}
