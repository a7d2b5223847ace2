/* In: a lifted program: its ELF file, artifact and pc map. Out: the program, run as if execve(2) had started it.
 *
 *   rc-lifted ELF CWASM PCMAP ARGV0 [ARG ...]    a file may be /proc/self/fd/N: then ARGV0 is the program's name
 *   rc-lifted --syscalls                         the rows of linux/lifted/table.c, for docs/syscalls.md */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/kind/lifted/kind.h"
#include "engine/wasmtime/fail.h"

extern char **environ;

/* The number in /proc/self/fd/N: a file that was handed over open, and that is not the guest's; -1 for another path. */
static int handed_over(const char *path) {
    int fd = -1, end = 0;
    return sscanf(path, "/proc/self/fd/%d%n", &fd, &end) == 1 && !path[end] ? fd : -1;
}

static void close_handed_over(char *const paths[3]) {
    for (int i = 0; i < 3; i++) {
        if (handed_over(paths[i]) >= 0) {
            close(handed_over(paths[i]));
        }
    }
}

int main(int argc, char *argv[]) {
    struct rc_error err = {0};
    struct program program;
    uint64_t rsp;
    if (argc == 2 && strcmp(argv[1], "--syscalls") == 0) {
        return syscall_document();
    }
    if (argc < 5) {
        rc_fail(&err, RC_E_USAGE, 0, "rc-lifted ELF CWASM PCMAP ARGV0 [ARG ...]");
        engine_refuse(&err);
    }
    program_called(handed_over(argv[1]) < 0 ? argv[1] : argv[4], argv + 4);
    if (instance_load(argv[2], argv[3], &err) < 0 || elf_map(&program, argv[1], instance_base(), &err) < 0 ||
        stack_make(&program, argv + 4, environ, &rsp, &err) < 0) {
        engine_refuse(&err);
    }
    close_handed_over(argv + 1);
    brk_begin(&program);
    signal_begin();
    fault_begin();
    if (lockdown(&err) < 0) {
        engine_refuse(&err);
    }
    register_set(RSP, rsp);
    instance_run(program.entry);
}
