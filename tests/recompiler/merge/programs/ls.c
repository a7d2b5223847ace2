/* ls DIRECTORY: names, kinds and sizes in order. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int main(int argc, char **argv) {
    struct dirent **names;
    const char *where = argc > 1 ? argv[1] : ".";
    int n = scandir(where, &names, NULL, alphasort);
    if (n < 0) {
        perror(where);
        return 1;
    }
    for (int i = 0; i < n; i++) {
        char path[1024];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", where, names[i]->d_name);
        if (stat(path, &st) == 0) {
            printf("%c %8lld %s\n", S_ISDIR(st.st_mode) ? 'd' : '-', S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size,
                   names[i]->d_name);
        }
    }
    return 0;
}
