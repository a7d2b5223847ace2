/* Counts the words of the file named first and appends the count to the file named second; then lists /. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int fail(const char *what, const char *path) {
    fprintf(stderr, "files: %s %s: %s\n", what, path, strerror(errno));
    return 1;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(const char *path) {
    DIR *directory = opendir(path);
    if (!directory) {
        return fail("opendir", path);
    }
    char *names[64];
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) && count < 64;) {
        if (entry->d_name[0] != '.') {
            names[count++] = strdup(entry->d_name);
        }
    }
    closedir(directory);
    qsort(names, count, sizeof names[0], by_name);
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        if (stat(names[i], &st) != 0) {
            return fail("stat", names[i]);
        }
        printf("%s%s %lld bytes\n", names[i], S_ISDIR(st.st_mode) ? "/" : "",
               S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size);
        free(names[i]);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: files INPUT OUTPUT\n");
        return 2;
    }
    FILE *in = fopen(argv[1], "r");
    if (!in) {
        return fail("open", argv[1]);
    }
    long words = 0;
    int inside = 0;
    for (int c; (c = getc(in)) != EOF;) {
        words += !isspace(c) && !inside;
        inside = !isspace(c);
    }
    fclose(in);

    FILE *out = fopen(argv[2], "a");
    if (!out) {
        return fail("open", argv[2]);
    }
    fprintf(out, "%s has %ld words\n", argv[1], words);
    if (fclose(out) != 0) {
        return fail("write", argv[2]);
    }
    return list("/");
}
