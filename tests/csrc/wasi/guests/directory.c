/* Lists a directory of 500 files twice, and again while it shrinks. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 500

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(void) {
    static char *names[FILES + 10];
    char path[80];
    int count = 0, removed = 0;
    mkdir("/many", 0755);
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "/many/%0*d", i % 50 + 1, i);
        close(open(path, O_WRONLY | O_CREAT, 0644));
    }
    symlink("x", "/many/link");
    mkdir("/many/folder", 0755);

    DIR *d = opendir("/many");
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof path, "%s type %d", e->d_name, e->d_type);
        names[count++] = strdup(path);
    }
    qsort(names, (size_t)count, sizeof *names, compare);
    for (int i = 0; i < count; i++) {
        puts(names[i]);
    }
    rewinddir(d);
    int again = 0;
    while (readdir(d)) {
        again++;
    }
    printf("again: %d\n", again);
    rewinddir(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_type == DT_REG) {
            snprintf(path, sizeof path, "/many/%s", e->d_name);
            removed += unlink(path) == 0;
        }
    }
    closedir(d);
    printf("removed while listing: %d\n", removed);
    return 0;
}
