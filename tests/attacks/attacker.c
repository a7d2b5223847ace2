/* A hostile program: each argument is one attempt, "verb word word"; it says in one line per attempt what came of it:
 * an error's words, or "ok" and what was got. Raw WASI calls say the number of their errno. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <recompiler/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

typedef void attempt(char **word);

static void say(long result) {
    puts(result < 0 ? strerror(errno) : "ok");
}

static void raw(unsigned error) {
    printf("wasi %u\n", error);
}

static void show(int fd) {
    char bytes[40];
    ssize_t got = fd < 0 ? -1 : read(fd, bytes, sizeof bytes - 1);
    if (got < 0) {
        say(-1);
    } else {
        printf("ok %.*s\n", (int)strcspn(bytes, "\n"), (bytes[got] = 0, bytes));
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void try_open(char **w) {
    show(open(w[0], O_RDONLY));
}
static void try_write(char **w) {
    int fd = open(w[0], O_WRONLY | O_CREAT, 0666);
    say(fd < 0 ? -1 : write(fd, "owned\n", 6));
    if (fd >= 0) {
        close(fd);
    }
}
static void try_list(char **w) {
    DIR *d = opendir(w[0]);
    if (!d) {
        return say(-1);
    }
    printf("ok");
    for (struct dirent *e; (e = readdir(d));) {
        printf(" %s", e->d_name);
    }
    puts("");
    closedir(d);
}
static void try_stat(char **w) {
    struct stat st;
    say(stat(w[0], &st));
}
static void try_mkdir(char **w) {
    say(mkdir(w[0], 0777));
}
static void try_rename(char **w) {
    say(rename(w[0], w[1]));
}
static void try_link(char **w) {
    say(link(w[0], w[1]));
}
static void try_symlink(char **w) {
    unlink(w[1]);
    say(symlink(w[0], w[1]));
}
static void try_unlink(char **w) {
    say(unlink(w[0]));
}
static void try_readlink(char **w) {
    char text[200];
    ssize_t got = readlink(w[0], text, sizeof text - 1);
    say(got);
}
/* A link outwards of its own making, then through it. */
static void try_through(char **w) {
    unlink("/own");
    if (symlink(w[0], "/own") < 0) {
        return say(-1);
    }
    show(open(w[1], O_RDONLY));
}
/* path_open as it is, without libc's search for a preopened directory. */
static void try_path(char **w) {
    __wasi_fd_t fd;
    __wasi_errno_t error = __wasi_path_open((__wasi_fd_t)atoi(w[0]), __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, w[1], 0,
                                            __WASI_RIGHTS_FD_READ, 0, 0, &fd);
    raw(error);
}
static void try_create(char **w) {
    raw(__wasi_path_create_directory((__wasi_fd_t)atoi(w[0]), w[1]));
}

/* ---- fd numbers */

static void try_fd(char **w) {
    __wasi_fd_t fd = (__wasi_fd_t)strtoul(w[0], NULL, 0);
    char byte[1];
    __wasi_ciovec_t out = {(uint8_t *)"x", 1};
    __wasi_iovec_t in = {(uint8_t *)byte, 1};
    __wasi_size_t n;
    unsigned write_error = __wasi_fd_write(fd, &out, 1, &n), read_error = __wasi_fd_read(fd, &in, 1, &n);
    printf("wasi %u %u %u\n", write_error, read_error, (unsigned)__wasi_fd_close(fd));
}
static void try_all(char **w) {
    struct stat st;
    int found = 0;
    for (int fd = atoi(w[0]); fd < atoi(w[1]); fd++) {
        found += fstat(fd, &st) == 0;
    }
    printf("%d found\n", found);
}
static void try_renumber(char **w) {
    raw(__wasi_fd_renumber((__wasi_fd_t)strtoul(w[0], NULL, 0), (__wasi_fd_t)strtoul(w[1], NULL, 0)));
}
static void try_seek(char **w) {
    __wasi_filesize_t at;
    raw(__wasi_fd_seek((__wasi_fd_t)atoi(w[0]), -1, 0, &at));
}
static void try_poll(char **w) {
    __wasi_subscription_t wish = {.userdata = 1, .u.tag = __WASI_EVENTTYPE_FD_READ};
    __wasi_event_t event;
    __wasi_size_t n;
    wish.u.u.fd_read.file_descriptor = (__wasi_fd_t)strtoul(w[0], NULL, 0);
    unsigned error = __wasi_poll_oneoff(&wish, &event, 1, &n);
    raw(error ? error : event.error);
}
/* Takes every number that there is, then a few more. */
static void try_hoard(char **w) {
    int count = 0, fds[4096];
    while (count < 4096 && (fds[count] = open("/", O_RDONLY | O_DIRECTORY)) >= 0) {
        count++;
    }
    int why = errno;
    for (int i = 0; i < count; i++) {
        close(fds[i]);
    }
    errno = why;
    printf("%s after %s %s\n", strerror(errno), count < atoi(w[0]) ? "fewer than" : "at least", w[0]);
}

/* ---- network */

static void try_connect(char **w) {
    unsigned a, b, c, d;
    int fd = rc_socket(RC_AF_INET, atoi(w[2]) ? RC_SOCK_DGRAM : RC_SOCK_STREAM);
    sscanf(w[0], "%u.%u.%u.%u", &a, &b, &c, &d);
    say(fd < 0 ? fd : rc_connect_inet(fd, a, b, c, d, (unsigned short)atoi(w[1])));
    if (fd >= 0) {
        close(fd);
    }
}
static void try_bind(char **w) {
    int fd = rc_socket(RC_AF_INET, RC_SOCK_STREAM);
    say(fd < 0 ? fd : rc_bind_inet(fd, 0, 0, 0, 0, (unsigned short)atoi(w[0])));
    if (fd >= 0) {
        close(fd);
    }
}
static void try_listen(char **w) {
    int fd = rc_socket(RC_AF_INET, RC_SOCK_STREAM);
    (void)w;
    say(fd < 0 ? fd : rc_listen(fd, 1));
    if (fd >= 0) {
        close(fd);
    }
}
static void try_socket(char **w) {
    int fd = rc_socket(atoi(w[0]), atoi(w[1]));
    say(fd);
    if (fd >= 0) {
        close(fd);
    }
}
static void try_accept(char **w) {
    say(accept(atoi(w[0]), NULL, NULL));
}

/* ---- memory and disk */

static void try_grow(char **w) {
    static char *volatile kept;
    int mib = 0;
    for (; mib < 100000 && (kept = malloc(1 << 20)); mib++) {
        memset(kept, 1, 1 << 20);
    }
    printf("%s %s MiB\n", mib <= atoi(w[0]) ? "at most" : "more than", w[0]);
}
static void try_fill(char **w) {
    static char block[65536];
    int kib = 0, fd = open("/filling", O_WRONLY | O_CREAT, 0666);
    while (kib < 1 << 20 && write(fd, block, sizeof block) == sizeof block) {
        kib += 64;
    }
    printf("%s %s KiB\n", kib <= atoi(w[0]) ? "at most" : "more than", w[0]);
    close(fd);
    unlink("/filling");
}
static void try_inodes(char **w) {
    char name[40];
    int count = 0;
    mkdir("/many", 0777);
    for (; count < 200000; count++) {
        snprintf(name, sizeof name, "/many/%d", count);
        if (symlink("x", name) < 0) {
            break;
        }
    }
    printf("%s, %s %s\n", strerror(errno), count <= atoi(w[0]) ? "at most" : "more than", w[0]);
}
static void try_truncate(char **w) {
    int fd = open("/huge", O_RDWR | O_CREAT, 0666);
    say(ftruncate(fd, strtoll(w[0], NULL, 0)));
    close(fd);
    unlink("/huge");
}
static void try_allocate(char **w) {
    int fd = open("/huge", O_RDWR | O_CREAT, 0666);
    raw(__wasi_fd_allocate((__wasi_fd_t)fd, 0, strtoull(w[0], NULL, 0)));
    close(fd);
    unlink("/huge");
}
static void try_far(char **w) {
    int fd = open("/huge", O_RDWR | O_CREAT, 0666);
    say(pwrite(fd, "x", 1, strtoll(w[0], NULL, 0)));
    close(fd);
    unlink("/huge");
}
static void try_deep(char **w) {
    int depth = 0;
    for (; depth < atoi(w[0]) && mkdir("a-deep-directory", 0777) == 0 && chdir("a-deep-directory") == 0; depth++)
        ;
    puts(depth < atoi(w[0]) ? strerror(errno) : "ok");
}
static void try_long(char **w) {
    size_t len = (size_t)atoi(w[0]);
    char *name = malloc(len + 2);
    memset(name, 'n', len);
    name[0] = '/';
    name[len] = 0;
    say(mkdir(name, 0777));
    free(name);
}

static const struct {
    const char *verb;
    attempt *make;
} verbs[] = {
    {"open", try_open},
    {"write", try_write},
    {"list", try_list},
    {"stat", try_stat},
    {"mkdir", try_mkdir},
    {"rename", try_rename},
    {"link", try_link},
    {"symlink", try_symlink},
    {"unlink", try_unlink},
    {"readlink", try_readlink},
    {"through", try_through},
    {"path_open", try_path},
    {"path_create", try_create},
    {"fd", try_fd},
    {"fds", try_all},
    {"renumber", try_renumber},
    {"seek", try_seek},
    {"poll", try_poll},
    {"hoard", try_hoard},
    {"connect", try_connect},
    {"bind", try_bind},
    {"listen", try_listen},
    {"socket", try_socket},
    {"accept", try_accept},
    {"grow", try_grow},
    {"fill", try_fill},
    {"inodes", try_inodes},
    {"truncate", try_truncate},
    {"allocate", try_allocate},
    {"far", try_far},
    {"deep", try_deep},
    {"long", try_long},
};

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        char *word[5] = {"", "", "", "", ""}, *rest = argv[i];
        for (int k = 0; k < 4 && rest; k++) {
            word[k] = strsep(&rest, " ");
        }
        for (size_t k = 0; k < sizeof verbs / sizeof *verbs; k++) {
            if (strcmp(verbs[k].verb, word[0]) == 0) {
                verbs[k].make(word + 1);
            }
        }
        fflush(stdout);
    }
    return 0;
}
