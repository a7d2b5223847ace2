/* Exit status: the sum of 1 << fd for those of the fds 0, 1, 2 that are closed (EBADF); 64: another failure. */
#include <errno.h>
#include <unistd.h>

static int closed(int fd, ssize_t done) {
    return done >= 0 ? 0 : errno == EBADF ? 1 << fd : 64;
}

int main(void) {
    char byte;
    return closed(0, read(0, &byte, 1)) | closed(1, write(1, "out\n", 4)) | closed(2, write(2, "err\n", 4));
}
