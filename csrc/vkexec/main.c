/* vkexec: the small client of a vkernel that serves a bundle. In: a container id and a command. Out: that program, run
 * in the container with this process's fds 0, 1, 2, and its exit status. Python's start is not paid for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/sandbox.h"
#include "vkexec/vkexec.h"

static const char usage[] =
    "usage: vkexec [--run-dir DIR] [-t] [-e NAME=VALUE]... [-C CWD] [-H HASH] CID [--] ARGV...\n"
    "       vkexec [--run-dir DIR] --bench COUNT CID [--] ARGV...     ns to first byte, ns to exit\n"
    "       vkexec [--run-dir DIR] --burst COUNT[:AT-ONCE] CID [--] ARGV...     starts/s\n"
    "  -t  a terminal of its own   -e  environment (nothing is inherited)   -C  directory (/)\n"
    "  -H  the program by the BLAKE3 of its file, 64 hex digits; ARGV[0] is only its name then\n"
    "exit status: the program's, 128 + signal; 126 denied, 127 not found, 125 anything else\n";

enum { COUNT_MAX = 10000000, IN_FLIGHT = 32, ENV_MAX = 4096 };

struct options {
    const char *run_dir, *cid;
    int bench, burst, in_flight;
    struct spawn spawn;
};

static int misused(const char *what) {
    fprintf(stderr, "vkexec: E_USAGE: %s\n%s", what, usage);
    return -1;
}

static int count_of(const char *text, int *in_flight) {
    char *end;
    long count = strtol(text, &end, 10);
    if (*end == ':') {
        long most = strtol(end + 1, &end, 10);
        *in_flight = most > 0 && most <= COUNT_MAX ? (int)most : 0;
    }
    return *end == 0 && end != text && count > 0 && count <= COUNT_MAX && *in_flight ? (int)count : 0;
}

static int is_hash(const char *text) {
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static int read_options(int argc, char **argv, struct options *o) {
    static char *env[ENV_MAX + 1];
    size_t envc = 0;
    int i = 1;
    *o = (struct options){.run_dir = "/run/vkernel", .in_flight = IN_FLIGHT, .spawn = {.env = env, .cwd = "/"}};
    for (; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(option, "-t") == 0) {
            o->spawn.tty = 1;
            continue;
        }
        if (strcmp(option, "-h") == 0 || strcmp(option, "--help") == 0) {
            exit(fputs(usage, stdout) < 0 || fflush(stdout) < 0 ? EXIT_REFUSED : 0);
        }
        if (!value) {
            return misused("an option is unknown or has no value");
        }
        i++;
        if (strcmp(option, "--run-dir") == 0) {
            o->run_dir = value;
        } else if (strcmp(option, "-C") == 0) {
            o->spawn.cwd = value;
        } else if (strcmp(option, "-H") == 0 && is_hash(value)) {
            o->spawn.hash = value;
        } else if (strcmp(option, "-e") == 0 && strchr(value, '=') > value && envc < ENV_MAX) {
            env[envc++] = argv[i];
        } else if (strcmp(option, "--bench") == 0 && (o->bench = count_of(value, &o->in_flight))) {
        } else if (strcmp(option, "--burst") == 0 && (o->burst = count_of(value, &o->in_flight))) {
        } else {
            return misused("an option is unknown, or its value is none");
        }
    }
    o->cid = i < argc ? argv[i++] : NULL;
    i += i < argc && strcmp(argv[i], "--") == 0;
    o->spawn.argv = argv + i;
    return o->cid && i < argc ? 0 : misused("a container id and a command are needed");
}

int main(int argc, char **argv) {
    struct rc_error err = {0};
    struct options o;
    if (rc_sandbox_standard_fds(&err) < 0) { /* or the guest's output would be the socket to the vkernel */
        return complain(&err);
    }
    if (read_options(argc, argv, &o) < 0) {
        return EXIT_REFUSED;
    }
    int socket = client_open(o.run_dir, o.cid, &err);
    if (socket < 0) {
        return complain(&err);
    }
    return o.bench   ? bench(socket, o.bench, &o.spawn)
           : o.burst ? burst(socket, o.burst, o.in_flight, &o.spawn)
                     : run(socket, &o.spawn);
}
