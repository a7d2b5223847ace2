// What a process finds at its start: arguments, environment, auxiliary vector, limits, names, the stack's alignment.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char **environ;
__thread int counter = 41;
static __thread char buffer[100] = "thread-local";
__attribute__((constructor)) static void early(void) {
    counter++;
}
int main(int argc, char **argv) {
    for (int n = 0; n < argc; n++) {
        printf("[%s]", argv[n]);
    }
    printf("%d\n", argv[argc] == NULL);
    for (char **e = environ; *e; e++) {
        puts(*e);
    }
    setenv("ADDED", "yes", 1), unsetenv("HOME"), putenv((char[]){"PUT=1"});
    printf("%s %s %s\n", getenv("ADDED"), getenv("HOME") ? "home" : "none", getenv("PUT"));
    printf("%ld %ld %d %d\n", sysconf(_SC_PAGESIZE), (long)getauxval(AT_CLKTCK), getauxval(AT_RANDOM) != 0,
           getauxval(AT_SECURE) == 0);
    struct utsname u;
    uname(&u);
    printf("%s %s\n", u.sysname, u.machine);
    printf("%d %d %d\n", getpid() > 1, getuid() == geteuid(), getppid() > 0);
    printf("%d %s\n", counter, buffer);
    _Alignas(64) char aligned[64];
    printf("%d %d\n", (uintptr_t)aligned % 64 == 0, (uintptr_t)__builtin_frame_address(0) % 16 == 0);
    char where[4096];
    printf("%d\n", getcwd(where, sizeof where) != NULL && where[0] == '/');
    errno = 0;
    printf("%d %s\n", chdir("/nowhere/at/all"), strerror(errno));
    return getenv("TZ") ? 3 : 0;
}
