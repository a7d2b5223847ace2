/* Every call on files that wasi-libc makes of WASI; prints results and errno, nothing that differs between two runs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void say(const char *what, long result) {
    printf("%s: %ld%s%s\n", what, result, result < 0 ? " " : "", result < 0 ? strerror(errno) : "");
    errno = 0;
}

static void say_stat(const char *path, int follow) {
    struct stat st;
    int result = follow ? stat(path, &st) : lstat(path, &st);
    say(path, result);
    if (result == 0) {
        printf("  mode %o links %d size %lld mtime %lld.%09ld\n", st.st_mode & S_IFMT, (int)st.st_nlink,
               S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size, (long long)st.st_mtim.tv_sec == 77 ? 77LL : 0LL,
               st.st_mtim.tv_sec == 77 ? st.st_mtim.tv_nsec : 0L);
    }
}

int main(void) {
    char buffer[64] = "";
    int fd = open("/f", O_RDWR | O_CREAT | O_EXCL, 0600);
    say("create", fd >= 0 ? 0 : fd);
    say("create again", open("/f", O_RDWR | O_CREAT | O_EXCL, 0600));
    struct iovec out[3] = {{"one ", 4}, {"", 0}, {"two three", 9}};
    say("writev", writev(fd, out, 3));
    say("pwrite of it all", pwrite(fd, "one two three", 13, 0));
    say("lseek", lseek(fd, -5, SEEK_END));
    say("lseek before 0", lseek(fd, -50, SEEK_SET));
    say("read", read(fd, buffer, sizeof buffer));
    puts(buffer);
    say("read at end", read(fd, buffer, sizeof buffer));
    say("pwrite", pwrite(fd, "TWO", 3, 4));
    struct iovec in[2] = {{buffer, 2}, {buffer + 3, 40}};
    say("preadv", preadv(fd, in, 2, 3));
    say("pread", pread(fd, buffer, 10, 3));
    printf("%.10s\n", buffer);
    say("tell", lseek(fd, 0, SEEK_CUR));
    say("ftruncate", ftruncate(fd, 7));
    say("fsync", fsync(fd));
    say("fdatasync", fdatasync(fd));
    struct timespec times[2] = {{77, 5}, {77, 123456789}};
    say("futimens", futimens(fd, times));
    say_stat("/f", 1);
    say("getfl", fcntl(fd, F_GETFL));
    say("setfl", fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
    say("getfl", fcntl(fd, F_GETFL));
    say("append", lseek(fd, 0, SEEK_SET) + write(fd, "!", 1));
    say("size", lseek(fd, 0, SEEK_END));
    say("isatty", isatty(fd));
    say("close", close(fd));
    say("close again", close(fd));
    say("write closed", write(fd, "x", 1));

    fd = open("f", O_RDONLY);
    say("write to a reader", write(fd, "x", 1));
    close(fd);
    fd = open("f", O_WRONLY | O_TRUNC);
    say("read from a writer", read(fd, buffer, 1));
    close(fd);
    say("open nothing", open("nothing", O_RDONLY));
    say("open below a file", open("f/x", O_RDONLY));
    say("mkdir", mkdir("d", 0700));
    say("mkdir again", mkdir("d", 0700));
    say("open directory to write", open("d", O_WRONLY));
    say("O_DIRECTORY on a file", open("f", O_RDONLY | O_DIRECTORY));
    say("link", link("f", "d/hard"));
    say("symlink", symlink("hard", "d/soft"));
    say("readlink", readlink("d/soft", buffer, sizeof buffer));
    printf("%.4s\n", buffer);
    say("readlink cut", readlink("d/soft", buffer, 2));
    say("readlink of a file", readlink("f", buffer, 9));
    say("nofollow", open("d/soft", O_RDONLY | O_NOFOLLOW));
    say_stat("d/soft", 1);
    say_stat("d/soft", 0);
    say("rename", rename("d/hard", "d/moved"));
    say_stat("d/soft", 1);
    say("unlink", unlink("f"));
    say_stat("d/moved", 1);
    say("rmdir not empty", rmdir("d"));
    say("rmdir of a file", rmdir("d/moved"));
    say("unlink directory", unlink("d"));
    say("remove", unlink("d/soft"));
    say("remove", unlink("d/moved"));
    say("rmdir", rmdir("d"));
    say("access gone", access("d", F_OK));
    say("a path of 300",
        open("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
             O_RDONLY));
    return 3;
}
