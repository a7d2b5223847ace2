/* mv FROM TO, or with -d a file removed, or with -p a directory made: what changes a file system. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 3) {
        return 2;
    }
    int failed = strcmp(argv[1], "-d") == 0   ? unlink(argv[2])
                 : strcmp(argv[1], "-p") == 0 ? mkdir(argv[2], 0755)
                                              : rename(argv[1], argv[2]);
    if (failed) {
        perror("mv");
    }
    return failed ? 1 : 0;
}
