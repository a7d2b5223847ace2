/* In: a lifted program: its ELF file, artifact and pc map. Out: the program, run as if execve(2) had started it.
 *
 *   rc-lifted ELF CWASM PCMAP ARGV0 [ARG ...]
 *   rc-lifted --syscalls                         the table of docs/lifted.md */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lifted.h"

extern char **environ;
const char *program_name = "?";

void refuse(const struct rc_error *err) {
    dprintf(STDERR_FILENO, "recompiler: %s: %s\n", rc_code_name(err->code), err->message);
    _exit(125);
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
        refuse(&err);
    }
    program_name = argv[1];
    if (instance_load(argv[2], argv[3], &err) < 0 || elf_map(&program, argv[1], instance_base(), &err) < 0 ||
        stack_make(&program, argv + 4, environ, &rsp, &err) < 0) {
        refuse(&err);
    }
    program_argv = argv + 4;
    const char *slash = strrchr(argv[1], '/');
    prctl(PR_SET_NAME, slash ? slash + 1 : argv[1]);
    program_begin(&program);
    signal_begin();
    fault_begin();
    if (lockdown(&err) < 0) {
        refuse(&err);
    }
    register_set(RSP, rsp);
    instance_run(program.entry);
}
