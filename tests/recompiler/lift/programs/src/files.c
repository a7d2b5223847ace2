// Files: made, written, read, sought, renamed, linked, listed; modes, holes, mmap of a file, a long write, errors.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}
int main(int argc, char **argv) {
    FILE *f = fopen("made.txt", "w+");
    for (int n = 0; n < 3000; n++) {
        fprintf(f, "%d:%s %x\n", n, argc > 1 ? argv[1] : "none", n * n);
    }
    fseek(f, 100, SEEK_SET), fputs("HERE", f);
    fseek(f, -20, SEEK_END);
    char line[64];
    while (fgets(line, sizeof line, f)) {
        printf("%ld %s", ftell(f), line);
    }
    printf("%d %d\n", feof(f) != 0, ferror(f));
    rewind(f);
    int a, count = 0;
    unsigned b;
    while (count < 10 && fscanf(f, "%d:%*s %x\n", &a, &b) == 2) {
        count++;
    }
    printf("%d %d %x\n", count, a, b);
    fclose(f);
    mkdir("folder", 0750), mkdir("folder/inner", 0700), rename("made.txt", "folder/moved");
    printf("%d %s\n", symlink("folder/moved", "pointer"), link("pointer", "folder/hard") ? strerror(errno) : "linked");
    int fd = open("hole", O_RDWR | O_CREAT | O_EXCL, 0640);
    printf("%ld\n", (long)pwrite(fd, "end", 3, 10000));
    ftruncate(fd, 20000);
    char *map = mmap(NULL, 20000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    printf("%d %s\n", map[9999], map + 10000);
    strcpy(map + 5000, "through the map");
    msync(map, 20000, MS_SYNC), munmap(map, 20000);
    char back[16] = {0};
    printf("%ld %s\n", (long)pread(fd, back, 15, 5000), back);
    lseek(fd, 0, SEEK_END);
    struct stat s;
    fstat(fd, &s), printf("%lld %o %d\n", (long long)s.st_size, s.st_mode, S_ISREG(s.st_mode));
    close(fd);
    printf("%d %s\n", open("hole", O_CREAT | O_EXCL, 0600), strerror(errno));
    printf("%d %s\n", open("none/none", O_RDONLY), strerror(errno));
    printf("%d %s\n", rmdir("folder"), strerror(errno));
    printf("%d %s\n", access("pointer", X_OK), strerror(errno));
    printf("%ld\n", (long)readlink("pointer", back, sizeof back));
    struct dirent **names;
    count = scandir(".", &names, NULL, by_name);
    for (int n = 0; n < count; n++) {
        printf("%s ", names[n]->d_name), free(names[n]);
    }
    free(names), puts("");
    char *big = malloc(300000);
    memset(big, 'x', 300000);
    fd = open("big", O_WRONLY | O_CREAT | O_APPEND, 0600);
    printf("%ld\n", (long)write(fd, big, 300000) + (long)write(fd, big, 1000));
    close(fd), chmod("big", 0444), free(big), unlink("folder/hard");
    umask(027), close(creat("masked", 0666));
    fputs("said on stderr\n", stderr);
    return argc;
}
