/*
 * Faults of a disk, preloaded into a process: LD_PRELOAD=shim.so FAULTS=folder.
 *
 * A fault holds while a file of its name is in the folder, and touches only the files whose
 * path contains "journal":
 *
 *   eio      fsync and fdatasync fail with EIO
 *   eio-db   the same, for the database file alone: only checkpoints sync it
 *   enospc   pwrite, write and posix_fallocate find no room
 *   edquot   the same, by a quota
 *   stall    fsync and fdatasync do not return while it is there
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int has(const char *fault)
{
    const char *folder = getenv("FAULTS");
    char path[4096];

    if (folder == NULL)
        return 0;
    snprintf(path, sizeof path, "%s/%s", folder, fault);
    return access(path, F_OK) == 0;
}

static int is_ours(int fd, const char *name)
{
    char link[64], path[4096];
    ssize_t size;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return 0;
    path[size] = 0;
    return name ? size > (ssize_t)strlen(name) && !strcmp(path + size - strlen(name), name)
                : strstr(path, "journal") != NULL;
}

static int no_room(int fd)
{
    if (has("enospc") && is_ours(fd, NULL))
        return ENOSPC;
    if (has("edquot") && is_ours(fd, NULL))
        return EDQUOT;
    return 0;
}

static int sync_with(const char *name, int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

    while (has("stall") && is_ours(fd, NULL))
        usleep(1000);
    if ((has("eio") && is_ours(fd, NULL)) || (has("eio-db") && is_ours(fd, "journal.db"))) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

int fsync(int fd)
{
    return sync_with("fsync", fd);
}

int fdatasync(int fd)
{
    return sync_with("fdatasync", fd);
}

#define REFUSE(fd)                                                                                 \
    do {                                                                                           \
        int reason = no_room(fd);                                                                  \
        if (reason) {                                                                              \
            errno = reason;                                                                        \
            return -1;                                                                             \
        }                                                                                          \
    } while (0)

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    REFUSE(fd);
    return ((ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite"))(
        fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    REFUSE(fd);
    return ((ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64"))(
        fd, data, size, at);
}

ssize_t write(int fd, const void *data, size_t size)
{
    REFUSE(fd);
    return ((ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(fd, data, size);
}

int posix_fallocate64(int fd, off64_t at, off64_t size)
{
    int reason = no_room(fd);

    return reason ? reason
                  : ((int (*)(int, off64_t, off64_t))dlsym(RTLD_NEXT, "posix_fallocate64"))(
                        fd, at, size);
}

int posix_fallocate(int fd, off_t at, off_t size)
{
    int reason = no_room(fd);

    return reason ? reason
                  : ((int (*)(int, off_t, off_t))dlsym(RTLD_NEXT, "posix_fallocate"))(fd, at, size);
}
