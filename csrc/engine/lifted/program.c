/* In: how a lifted program was called. Out: the same for whoever names it: the stack, the ledger, /proc/self. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "engine/lifted/lifted.h"

const char *program_name = "?";
char program_file[PATH_MAX];
char *const *program_argv;

void program_called(const char *name, char *const argv[]) {
    program_name = name;
    program_argv = argv;
    const int is_whole = name[0] == '/' || !getcwd(program_file, sizeof program_file);
    const size_t length = is_whole ? 0 : strlen(program_file);
    snprintf(program_file + length, sizeof program_file - length, "%s%s", is_whole ? "" : "/", name);
    const char *slash = strrchr(name, '/');
    prctl(PR_SET_NAME, slash ? slash + 1 : name);
}
