/* In: a name below /proc/self. Out: an fd with what Linux would say of the guest, where the host's file tells of this
 * process instead: its mappings, its command line. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/linux/lifted/linux.h"

static void write_cmdline(FILE *out) {
    for (int i = 0; program_argv[i]; i++) {
        fwrite(program_argv[i], 1, strlen(program_argv[i]) + 1, out);
    }
}

/* proc(5): "address perms offset dev inode pathname"; the lines of the 4 GiB, at the guest's addresses. A range that
 * the guest does not have is a reservation, which is a line of its own or part of one. */
static void write_maps(FILE *out) {
    FILE *in = fopen("/proc/self/maps", "re");
    char line[4096 + 256];
    const uint64_t rsp = register_get(RSP), first = (uint64_t)(uintptr_t)space;
    while (in && fgets(line, sizeof line, in)) {
        unsigned long from, to;
        int rest = 0;
        if (sscanf(line, "%lx-%lx %n", &from, &to, &rest) != 2 || from < first || to > first + GUEST_SPACE) {
            continue;
        }
        for (uint64_t at = from - first, end = to - first; at < end;) {
            const uint64_t run = space_mapped_run(at, end - at);
            if (run == 0) {
                at += PAGE;
                continue;
            }
            char *text = line + rest;
            text[strcspn(text, "\n")] = 0;
            const int is_stack = rsp >= at && rsp < at + run;
            fprintf(out, "%08llx-%08llx %s%s\n", (unsigned long long)at, (unsigned long long)(at + run), text,
                    is_stack ? "                          [stack]" : "");
            at += run;
        }
    }
    if (in) {
        fclose(in);
    }
}

static const struct {
    const char *name;
    void (*write)(FILE *out);
} files[] = {
    {"maps", write_maps},
    {"cmdline", write_cmdline},
};

int64_t proc_open(const char *name, int flags) {
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (strcmp(files[i].name, name) != 0) {
            continue;
        }
        if ((flags & O_ACCMODE) != O_RDONLY) {
            return -EACCES;
        }
        const int fd = memfd_create(name, flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
        FILE *out = fd < 0 ? NULL : fdopen(dup(fd), "w");
        if (!out) {
            const int error = errno;
            close(fd);
            return -error;
        }
        files[i].write(out);
        fclose(out);
        lseek(fd, 0, SEEK_SET);
        return fd;
    }
    return -ENOENT;
}
