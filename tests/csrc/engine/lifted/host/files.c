/* Files and directories, in the current directory. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "check.h"

static int names(char list[][64], const char *folder) {
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d)) && n < 32;) {
        snprintf(list[n++], 64, "%.60s", e->d_name);
    }
    if (d) {
        closedir(d);
    }
    qsort(list, (size_t)n, 64, (int (*)(const void *, const void *))strcmp);
    return n;
}

static void say_stat(const char *name) {
    struct stat st;
    struct statx sx;
    SAY(lstat(name, &st));
    printf("%s: %o %ld %ld\n", name, st.st_mode, (long)st.st_size, (long)st.st_nlink);
    SAY(syscall(SYS_statx, AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, 0x7ff, &sx));
    printf("same: %d\n", sx.stx_ino == st.st_ino && sx.stx_size == (unsigned long)st.st_size);
}

void files(void) {
    char text[64] = "";
    struct iovec v[3] = {{"one ", 4}, {"", 0}, {"two\n", 4}};
    umask(022);
    SAY(open("absent", O_RDONLY));
    const int fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0644);
    SAY(fd);
    SAY(open("a", O_RDWR | O_CREAT | O_EXCL, 0644));
    SAY(writev(fd, v, 3));
    SAY(writev(fd, v, 2000));
    SAY(pwrite(fd, "XYZ", 3, 100));
    SAY(lseek(fd, 0, SEEK_SET));
    SAY(read(fd, text, 5));
    printf("%.5s\n", text);
    v[0].iov_base = text, v[0].iov_len = 3, v[1].iov_base = text + 10, v[1].iov_len = 4;
    SAY(preadv(fd, v, 2, 1));
    printf("%.3s %.4s\n", text, text + 10);
    SAY(lseek(fd, -3, SEEK_END));
    SAY(lseek(fd, 0, SEEK_HOLE));
    SAY(ftruncate(fd, 50));
    SAY(fallocate(fd, 0, 0, 200));
    SAY(truncate("a", 60));
    SAY(fsync(fd));
    SAY(fdatasync(fd));
    SAY(fchmod(fd, 0600));
    SAY(chmod("a", 0640));
    say_stat("a");
    SAY(access("a", R_OK));
    SAY(faccessat(AT_FDCWD, "absent", F_OK, 0));
    SAY(mkdir("d", 0755));
    SAY(mkdir("d", 0755));
    SAY(link("a", "d/b"));
    SAY(symlink("../a", "d/s"));
    SAY(readlink("d/s", text, sizeof text));
    printf("%.4s\n", text);
    SAY(rename("d/b", "d/c"));
    SAY(syscall(SYS_renameat2, AT_FDCWD, "d/c", AT_FDCWD, "d/s", 1 /* RENAME_NOREPLACE */));
    say_stat("d/c");
    say_stat("d/s");
    SAY(unlink("d"));
    SAY(rmdir("d"));
    SAY(rmdir("absent/x"));
    SAY(open("a/b", O_RDONLY));

    char list[32][64];
    const int n = names(list, "d");
    for (int i = 0; i < n; i++) {
        printf("entry %s\n", list[i]);
    }
    SAY(chdir("d"));
    char *cwd = getcwd(NULL, 0);
    printf("%s\n", cwd ? strrchr(cwd, '/') : "none");
    free(cwd);
    const int up = open("..", O_RDONLY | O_DIRECTORY);
    SAY(fchdir(up));
    SAY(openat(up, "a", O_RDONLY | O_NOFOLLOW) >= 0);
    SAY(open("d/s", O_RDONLY | O_NOFOLLOW));
    close(up);

    const struct timespec times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    struct stat st;
    SAY(utimensat(AT_FDCWD, "a", times, 0));
    SAY(stat("a", &st));
    printf("%ld.%09ld %ld.%09ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec,
           st.st_mtim.tv_nsec);
    SAY(futimens(fd, NULL));

    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    SAY(fcntl(fd, F_SETLK, &lock));
    SAY(fcntl(fd, F_GETLK, &lock));
    printf("lock %d\n", lock.l_type);
    SAY(flock(fd, LOCK_EX | LOCK_NB));
    SAY(fcntl(fd, F_GETFL) & O_ACCMODE);
    SAY(fcntl(fd, F_SETFD, FD_CLOEXEC));
    SAY(fcntl(fd, F_GETFD));
    SAY(fcntl(fd, F_DUPFD_CLOEXEC, 50));
    SAY(dup2(fd, 60));
    SAY(close(60));
    SAY(close(60));

    int ends[2];
    SAY(pipe(ends));
    SAY(write(ends[1], "through the pipe", 16));
    SAY(read(ends[0], text, sizeof text));
    printf("%.16s\n", text);
    SAY(pwrite(fd, "sent", 4, 0));
    off_t at = 0;
    SAY(sendfile(ends[1], fd, &at, 4));
    printf("at %ld\n", (long)at);
    SAY(read(ends[0], text, sizeof text));
    const int copy = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
    loff_t from = 0, to = 8;
    SAY(copy_file_range(fd, &from, copy, &to, 4, 0));
    char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0);
    memcpy(shared, "mapped", 6);
    SAY(msync(shared, 4096, MS_SYNC));
    SAY(munmap(shared, 4096));
    SAY(pread(copy, text, 12, 0));
    printf("%.6s %.4s\n", text, text + 8);
    struct statfs fs;
    SAY(statfs(".", &fs));
    SAY(fs.f_namelen);
    SAY(unlink("d/c"));
    char deep[5000];
    memset(deep, 'x', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    SAY(open(deep, O_RDONLY));
    SAY(isatty(fd));
}
