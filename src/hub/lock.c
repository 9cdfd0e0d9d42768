#include "hub/lock.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int bert_hub_lock(const char *path, int *fd,
                  int (*idle)(void *context, const char *why, bert_error *e), void *context,
                  bert_error *e) {
    *fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0664);
    if (*fd < 0) return bert_fail(e, BERT_EIO, "%s: cannot be made: %s", path, strerror(errno));
    while (flock(*fd, LOCK_EX | LOCK_NB)) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) break; /* a file system without locks */
        const int rc = idle(context, "another process fetches the same file", e);
        if (rc) {
            close(*fd);
            *fd = -1;
            return rc;
        }
        usleep(100000);
    }
    return 0;
}

void bert_hub_unlock(int fd) {
    if (fd >= 0) close(fd);
}
