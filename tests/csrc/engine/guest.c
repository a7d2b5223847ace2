/* One guest for the engine's tests: its first argument says what to do. Failures are errno's words on stdout. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <recompiler/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
typedef int command(int argc, char **argv);

static int say(long result) {
    puts(result < 0 ? strerror(errno) : "ok");
    return result < 0;
}

static int echo(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        puts(argv[i]);
    }
    for (char **e = environ; *e; e++) {
        puts(*e);
    }
    return 0;
}

static int leave(int argc, char **argv) {
    (void)argc;
    return atoi(argv[0]);
}

static int cat(int argc, char **argv) {
    char bytes[4096];
    int fd = argc > 0 ? open(argv[0], O_RDONLY) : 0;
    if (fd < 0) {
        return say(-1);
    }
    for (ssize_t got; (got = read(fd, bytes, sizeof bytes)) > 0;) {
        write(1, bytes, (size_t)got);
    }
    return 0;
}

static int put(int argc, char **argv) {
    int fd = open(argv[0], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    (void)argc;
    return say(fd < 0 ? -1 : write(fd, argv[1], strlen(argv[1])));
}

static int list(int argc, char **argv) {
    DIR *d = opendir(argc > 0 ? argv[0] : "/");
    if (!d) {
        return say(-1);
    }
    for (struct dirent *e; (e = readdir(d));) {
        puts(e->d_name);
    }
    return 0;
}

static int make_directory(int argc, char **argv) {
    (void)argc;
    return say(mkdir(argv[0], 0755));
}

static int rename_to(int argc, char **argv) {
    (void)argc;
    return say(rename(argv[0], argv[1]));
}

static int hard_link(int argc, char **argv) {
    (void)argc;
    return say(link(argv[0], argv[1]));
}

static int symbolic_link(int argc, char **argv) {
    (void)argc;
    return say(symlink(argv[0], argv[1]));
}

static int take_away(int argc, char **argv) {
    (void)argc;
    return say(unlink(argv[0]));
}

static int status_of(int argc, char **argv) {
    struct stat st;
    (void)argc;
    if (stat(argv[0], &st) < 0) {
        return say(-1);
    }
    printf("%o %lld\n", (unsigned)st.st_mode, (long long)st.st_size);
    return 0;
}

/* Opens a file again and again, also as a link's source; says how often it read another beginning than the expected. */
static int race(int argc, char **argv) {
    long wrong = 0, right = 0;
    (void)argc;
    for (long i = 0; i < atol(argv[2]); i++) {
        char byte = 0;
        int fd = open(argv[0], O_RDONLY);
        if (fd >= 0 && read(fd, &byte, 1) == 1) {
            right += byte == argv[1][0];
            wrong += byte != argv[1][0];
        }
        close(fd);
    }
    printf("%ld %ld\n", right, wrong);
    return 0;
}

/* Fills the disk with one file; says how many KiB fitted. */
static int fill(int argc, char **argv) {
    static char block[65536];
    long kib = 0;
    int fd = open("/filling", O_WRONLY | O_CREAT, 0644);
    (void)argc;
    for (long most = atol(argv[0]); kib < most && write(fd, block, sizeof block) == sizeof block; kib += 64)
        ;
    printf("%ld %s\n", kib, strerror(errno));
    return 0;
}

/* Takes memory until there is no more; says how many MiB. */
static int grow(int argc, char **argv) {
    static char *volatile kept; /* else the compiler sees that nobody looks */
    long mib = 0;
    (void)argc;
    for (; mib < atol(argv[0]) && (kept = malloc(1 << 20)); mib++) {
        memset(kept, 1, 1 << 20);
    }
    printf("%ld\n", mib);
    return 0;
}

static int open_many(int argc, char **argv) {
    long count = 0;
    (void)argc;
    while (count < atol(argv[0]) && open("/", O_RDONLY | O_DIRECTORY) >= 0) {
        count++;
    }
    printf("%ld %s\n", count, strerror(errno));
    return 0;
}

static int connect_to(int argc, char **argv) {
    int fd = rc_socket(RC_AF_INET, RC_SOCK_STREAM);
    (void)argc;
    return say(fd < 0 ? fd : rc_connect_inet(fd, 127, 0, 0, 1, (unsigned short)atoi(argv[0])));
}

/* Answers one connection on 127.0.0.1:PORT with what it sent; without a port, listens where the kernel likes. */
static int serve(int argc, char **argv) {
    char bytes[100];
    int fd = rc_socket(RC_AF_INET, RC_SOCK_STREAM);
    if (fd < 0 || (argc > 0 && rc_bind_inet(fd, 127, 0, 0, 1, (unsigned short)atoi(argv[0])) < 0) ||
        rc_listen(fd, 1) < 0) {
        return say(-1);
    }
    puts("listening");
    fflush(stdout);
    int peer = accept(fd, NULL, NULL);
    ssize_t got = peer < 0 ? -1 : read(peer, bytes, sizeof bytes);
    return say(got < 0 ? -1 : write(peer, bytes, (size_t)got));
}

/* Which of so many fd numbers are open to it. */
static int open_fds(int argc, char **argv) {
    struct stat st;
    const char *space = "";
    (void)argc;
    (void)argv;
    for (int fd = 0; fd < 70000; fd++) {
        if (fstat(fd, &st) == 0) {
            printf("%s%d", space, fd);
            space = " ";
        }
    }
    puts("");
    return 0;
}

/* Tries to connect to the ports from 1 on; says how many were refused. */
static int scan(int argc, char **argv) {
    int refused = 0;
    (void)argc;
    for (int port = 1; port <= atoi(argv[0]); port++) {
        int fd = rc_socket(RC_AF_INET, RC_SOCK_STREAM);
        refused += rc_connect_inet(fd, 127, 0, 0, 1, (unsigned short)port) < 0 && errno == EACCES;
        close(fd);
    }
    printf("%d\n", refused);
    return 0;
}

static int nap(int argc, char **argv) {
    (void)argc;
    usleep((unsigned)atoi(argv[0]) * 1000);
    return 0;
}

static int spin(int argc, char **argv) {
    (void)argc;
    (void)argv;
    puts("spinning");
    fflush(stdout);
    for (volatile int i = 0;; i++)
        ;
}

/* ---- ends that nobody wants */

static volatile int zero;
static int divide(int argc, char **argv) {
    (void)argv;
    return argc / zero;
}

static int overflow(int argc, char **argv) {
    volatile int least = INT_MIN, minus = -1;
    (void)argc;
    (void)argv;
    return least / minus;
}

static int beyond(int argc, char **argv) {
    (void)argc;
    (void)argv;
    return *(volatile char *)0xfffffff0ul;
}

static int null_call(int argc, char **argv) {
    command *volatile none = NULL;
    return none(argc, argv);
}

static int deep(int argc, char **argv) {
    volatile int more = argc + 1;
    return more ? deep(more, argv) + more : 0;
}

static int give_up(int argc, char **argv) {
    (void)argc;
    (void)argv;
    abort();
}

static const struct {
    const char *name;
    command *run;
} commands[] = {
    {"echo", echo},        {"exit", leave},     {"cat", cat},
    {"put", put},          {"list", list},      {"mkdir", make_directory},
    {"rename", rename_to}, {"link", hard_link}, {"symlink", symbolic_link},
    {"unlink", take_away}, {"stat", status_of}, {"fill", fill},
    {"grow", grow},        {"open", open_many}, {"connect", connect_to},
    {"serve", serve},      {"race", race},      {"nap", nap},
    {"spin", spin},        {"divide", divide},  {"overflow", overflow},
    {"beyond", beyond},    {"null", null_call}, {"deep", deep},
    {"abort", give_up},    {"fds", open_fds},   {"scan", scan},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, argv[1]) == 0) {
            return commands[i].run(argc - 2, argv + 2);
        }
    }
    puts("which?");
    return 2;
}
