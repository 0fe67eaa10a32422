/* Stands between a rank and the system (LD_PRELOAD): counts its calls, and at the n-th of one kind kills the process or
 * lets the call fail.  What it does is told by the environment:
 *
 *   PALIMPSEST_INTERPOSE="RANK CALL FILE NTH ACTION"   one order; FILE is "-" for calls that are on no file
 *   PALIMPSEST_COUNTS=FOLDER                           at the end the counts go to FOLDER/RANK, lines "CALL FILE COUNT"
 *   PALIMPSEST_FOLDER=FOLDER                           that of the results file, known as "folder"
 *
 * RANK is that of Open MPI, 0 without mpirun.  FILE is what the file is to the program (kind_of_file below).  Calls on
 * other files, and allocations of libraries, are neither counted nor touched.
 *
 *   kill, after  SIGKILL before the call, after it      drain   SIGUSR1 to this process, then the call
 *   end          SIGTERM to this process, then the call, if it is still there
 *   tear         half of the bytes are written, then SIGKILL
 *   short        half of the bytes are written, and the call says so
 *   full         no room on the device, from this call on for every write to every file of ours
 *   fail         the call fails once: EIO, no memory, or an MPI error given to the communicator's error handler
 *
 * Besides it watches in which order files are synced, until a call was made to fail, and ends a process with 98 that
 * breaks the order. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <mpi.h>

enum action { NOTHING, KILL, AFTER, TEAR, SHORT, FULL, FAIL, DRAIN, END };
static const char *const action_words[] = {"nothing", "kill", "after", "tear", "short", "full", "fail", "drain", "end"};

static struct {
    int rank;
    char call[32], file[16];
    long nth;
    enum action action;
} order = {.rank = -1};
static struct {
    char call[32], file[16];
    long count;
} counted[128];
static int kinds, own_rank;
static bool disk_full, has_failed; /* has_failed: a call was made to */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t program_start, program_end; /* code of the program itself */

/* ---- the beginning and the end ---- */

static int measure_program(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size, (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        program_start = info->dlpi_addr + part->p_vaddr;
        program_end = program_start + part->p_memsz;
    }
    return 1; /* the program stands first */
}

__attribute__((constructor)) static void begin(void)
{
    const char *rank = getenv("OMPI_COMM_WORLD_RANK"), *text = getenv("PALIMPSEST_INTERPOSE");
    char action[16];
    own_rank = rank ? atoi(rank) : 0;
    dl_iterate_phdr(measure_program, NULL);
    if (!text) return;
    if (sscanf(text, "%d %31s %15s %ld %15s", &order.rank, order.call, order.file, &order.nth, action) == 5)
        for (int a = KILL; a <= END; a++)
            if (strcmp(action, action_words[a]) == 0) order.action = (enum action)a;
    if (order.action == NOTHING) {
        fprintf(stderr, "interpose: \"%s\" is no order\n", text);
        _exit(99);
    }
}

__attribute__((destructor)) static void end(void)
{
    const char *folder = getenv("PALIMPSEST_COUNTS");
    char path[4096];
    if (kinds == 0) return; /* a helper that Open MPI has started */
    if (!folder || snprintf(path, sizeof path, "%s/%d", folder, own_rank) >= (int)sizeof path) return;
    FILE *out = fopen(path, "w");
    if (!out) return;
    for (int k = 0; k < kinds; k++) fprintf(out, "%s %s %ld\n", counted[k].call, counted[k].file, counted[k].count);
    fclose(out);
}

/* ---- which call is it ---- */

static bool holds(const char *text, const char *part) { return strstr(text, part) != NULL; }

static bool ends(const char *text, const char *tail)
{
    size_t length = strlen(text), least = strlen(tail);
    return length >= least && strcmp(text + length - least, tail) == 0;
}

/* What a path is to the program, or NULL: none of its outputs (Open MPI has files of its own beside the results). */
static const char *kind_of_file(const char *path)
{
    const char *folder = getenv("PALIMPSEST_FOLDER");
    if (ends(path, ".h5.lock")) return "lock";
    if (ends(path, ".stages")) return "stages";
    if (holds(path, ".stages/")) return holds(path, ".part.h5") ? "partial" : "checkpoint";
    if (holds(path, ".h5.") && ends(path, ".tmp")) return "skeleton";
    if (ends(path, ".h5")) return "results";
    return folder && strcmp(folder, path) == 0 ? "folder" : NULL;
}

static const char *kind_of_descriptor(int descriptor)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return NULL;
    path[length] = '\0';
    return kind_of_file(path);
}

static bool is_write(const char *call) { return strcmp(call, "write") == 0 || strcmp(call, "fallocate") == 0; }

/* Past stdio, and past our own write. */
static void say_due(void)
{
    char text[128];
    int length = snprintf(text, sizeof text, "interpose: rank %d: %s %s %ld %s\n", order.rank, order.call, order.file,
                          order.nth, action_words[order.action]);
    syscall(SYS_write, STDERR_FILENO, text, (size_t)length);
}

/* Counts the call and says what is to become of it. */
static enum action meet(const char *call, const char *file)
{
    if (!file) return NOTHING;
    pthread_mutex_lock(&lock);
    int k = 0;
    while (k < kinds && (strcmp(counted[k].call, call) != 0 || strcmp(counted[k].file, file) != 0)) k++;
    if (k == kinds && k < (int)(sizeof counted / sizeof *counted)) {
        snprintf(counted[k].call, sizeof counted[k].call, "%s", call);
        snprintf(counted[k].file, sizeof counted[k].file, "%s", file);
        kinds++;
    }
    bool due = k < kinds && ++counted[k].count == order.nth && own_rank == order.rank &&
               strcmp(call, order.call) == 0 && strcmp(file, order.file) == 0;
    if (due && order.action == FULL) disk_full = true;
    if (due && (order.action == FULL || order.action == FAIL || order.action == SHORT)) has_failed = true;
    enum action action = disk_full && is_write(call) ? FULL : due ? order.action : NOTHING;
    pthread_mutex_unlock(&lock);
    if (due) say_due();
    if (action == KILL) kill(getpid(), SIGKILL);
    if (action == DRAIN) kill(getpid(), SIGUSR1);
    if (action == END) kill(getpid(), SIGTERM);
    return action;
}

/* ---- what a power cut would need ----
 *
 * A kill loses nothing that the kernel has, so no trial shows a sync that is missing.  Its order is watched instead: a
 * file is written under another name, and synced before it gets its own, and its folder is before a row is written that
 * may count on it. */

static struct {
    dev_t device;
    ino_t inode;
} unsynced[64];
static int unsynced_files;
static bool unsynced_name; /* a file was renamed; its folder was not synced yet */

/* A handler may come between any two calls.  What it writes is a word of forgiveness for the stage that is interrupted,
 * which counts on no file; so it may come before a sync. */
static volatile sig_atomic_t in_handler;
static void (*handler_of[NSIG])(int);

static void handle(int number)
{
    in_handler++;
    handler_of[number](number);
    in_handler--;
}

int sigaction(int number, const struct sigaction *new, struct sigaction *old)
{
    static int (*next)(int, const struct sigaction *, struct sigaction *);
    if (!next) next = (__typeof__(next))dlsym(RTLD_NEXT, "sigaction");
    bool function = new && !(new->sa_flags &SA_SIGINFO) && new->sa_handler != SIG_DFL &&new->sa_handler != SIG_IGN;
    if (!function || number < 1 || number >= NSIG) return next(number, new, old);
    struct sigaction ours = *new;
    handler_of[number] = new->sa_handler;
    ours.sa_handler = handle;
    return next(number, &ours, old);
}

static bool has_name_of_its_own(const char *file)
{
    return file && (strcmp(file, "checkpoint") == 0 || strcmp(file, "partial") == 0 || strcmp(file, "skeleton") == 0);
}

static void broken_order(const char *text)
{
    if (has_failed) return; /* what it then writes counts on nothing */
    fprintf(stderr, "interpose: OUT OF ORDER: %s\n", text);
    _exit(98);
}

static int find_unsynced(const struct stat *facts)
{
    int at = 0;
    while (at < unsynced_files && (unsynced[at].device != facts->st_dev || unsynced[at].inode != facts->st_ino)) at++;
    return at;
}

static void note_write(int descriptor, const char *file)
{
    struct stat facts;
    if (file && strcmp(file, "results") == 0 && unsynced_name && !in_handler)
        broken_order("a row is written before the folder of a renamed file was synced");
    if (!has_name_of_its_own(file) || fstat(descriptor, &facts) != 0) return;
    pthread_mutex_lock(&lock);
    int at = find_unsynced(&facts);
    if (at == (int)(sizeof unsynced / sizeof *unsynced)) broken_order("too many files are written at once");
    if (at == unsynced_files) unsynced_files++;
    unsynced[at].device = facts.st_dev;
    unsynced[at].inode = facts.st_ino;
    pthread_mutex_unlock(&lock);
}

static void note_sync(int descriptor, const char *file)
{
    struct stat facts;
    if (file && (strcmp(file, "stages") == 0 || strcmp(file, "folder") == 0)) unsynced_name = false;
    if (!has_name_of_its_own(file) || fstat(descriptor, &facts) != 0) return;
    pthread_mutex_lock(&lock);
    int at = find_unsynced(&facts);
    if (at < unsynced_files) unsynced[at] = unsynced[--unsynced_files];
    pthread_mutex_unlock(&lock);
}

static void note_rename(const char *from)
{
    struct stat facts;
    if (!has_name_of_its_own(kind_of_file(from)) || stat(from, &facts) != 0) return;
    if (find_unsynced(&facts) < unsynced_files) broken_order("a file is renamed before it was synced");
    unsynced_name = true;
}

static int refuse(enum action action)
{
    errno = action == FULL ? ENOSPC : EIO;
    return -1;
}

static bool fails(enum action action) { return action == FULL || action == FAIL; }

static void die_if(bool due)
{
    if (due) kill(getpid(), SIGKILL);
}

/* ---- files ---- */

/* Half of the bytes, in whole numbers of eight bytes: what a kernel that is interrupted leaves. */
static size_t half_of(size_t count) { return count >= 16 ? count / 16 * 8 : count; }

static size_t allowed(enum action action, size_t count)
{
    return action == TEAR || action == SHORT ? half_of(count) : count;
}

ssize_t write(int descriptor, const void *bytes, size_t count)
{
    const char *file = kind_of_descriptor(descriptor);
    note_write(descriptor, file);
    enum action action = meet("write", file);
    if (fails(action)) return refuse(action);
    ssize_t written = syscall(SYS_write, descriptor, bytes, allowed(action, count));
    die_if(action == TEAR || action == AFTER);
    return written;
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off_t place)
{
    const char *file = kind_of_descriptor(descriptor);
    note_write(descriptor, file);
    enum action action = meet("write", file);
    if (fails(action)) return refuse(action);
    ssize_t written = syscall(SYS_pwrite64, descriptor, bytes, allowed(action, count), place);
    die_if(action == TEAR || action == AFTER);
    return written;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t place)
{
    return pwrite64(descriptor, bytes, count, place);
}

/* A torn or short one writes its first part only. */
ssize_t pwritev64(int descriptor, const struct iovec *part, int parts, off_t place)
{
    const char *file = kind_of_descriptor(descriptor);
    note_write(descriptor, file);
    enum action action = meet("write", file);
    if (fails(action)) return refuse(action);
    bool less = (action == TEAR || action == SHORT) && parts > 0;
    ssize_t written = less ? syscall(SYS_pwrite64, descriptor, part[0].iov_base, half_of(part[0].iov_len), place)
                           : syscall(SYS_pwritev, descriptor, part, parts, place, 0);
    die_if(action == TEAR || action == AFTER);
    return written;
}

ssize_t pwritev(int descriptor, const struct iovec *part, int parts, off_t place)
{
    return pwritev64(descriptor, part, parts, place);
}

/* The frame of all that has no bytes: `real` is the system call. */
#define PASS(call, kind, real)                                                                                         \
    do {                                                                                                               \
        enum action action = meet(call, kind);                                                                         \
        if (fails(action)) return refuse(action);                                                                      \
        int result = (int)(real);                                                                                      \
        die_if(action == AFTER || action == TEAR);                                                                     \
        return result;                                                                                                 \
    } while (0)

int fallocate64(int descriptor, int mode, off_t place, off_t count)
{
    PASS("fallocate", kind_of_descriptor(descriptor), syscall(SYS_fallocate, descriptor, mode, place, count));
}

int fallocate(int descriptor, int mode, off_t place, off_t count)
{
    return fallocate64(descriptor, mode, place, count);
}

int ftruncate64(int descriptor, off_t length)
{
    PASS("ftruncate", kind_of_descriptor(descriptor), syscall(SYS_ftruncate, descriptor, length));
}

int ftruncate(int descriptor, off_t length) { return ftruncate64(descriptor, length); }

int fsync(int descriptor)
{
    note_sync(descriptor, kind_of_descriptor(descriptor));
    PASS("fsync", kind_of_descriptor(descriptor), syscall(SYS_fsync, descriptor));
}

int fdatasync(int descriptor)
{
    note_sync(descriptor, kind_of_descriptor(descriptor));
    PASS("fsync", kind_of_descriptor(descriptor), syscall(SYS_fdatasync, descriptor));
}

int rename(const char *from, const char *to)
{
    note_rename(from);
    PASS("rename", kind_of_file(from), syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int unlink(const char *path) { PASS("unlink", kind_of_file(path), syscall(SYS_unlinkat, AT_FDCWD, path, 0)); }

int mkdir(const char *path, mode_t mode)
{
    PASS("mkdir", kind_of_file(path), syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

/* Opening to read and to write are different things to a program. */
static int open_file(const char *path, int flags, mode_t mode)
{
    const char *call = (flags & O_ACCMODE) == O_RDONLY ? "open_to_read" : "open_to_write";
    if (flags & O_CREAT && has_name_of_its_own(kind_of_file(path)) && !ends(path, ".tmp"))
        broken_order("a file is written under the name that says it is whole");
    PASS(call, kind_of_file(path), syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_file(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_file(path, flags, mode);
}

/* ---- memory ---- */

/* caller: where it was asked from; libraries get theirs uncounted. */
static bool no_memory_for(const void *caller)
{
    bool ours = (uintptr_t)caller >= program_start && (uintptr_t)caller < program_end;
    if (!ours || !fails(meet("allocate", "-"))) return false;
    errno = ENOMEM;
    return true;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    static void *(*real)(size_t, size_t);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "aligned_alloc");
    return no_memory_for(__builtin_return_address(0)) ? NULL : real(alignment, size);
}

void *realloc(void *block, size_t size)
{
    static void *(*real)(void *, size_t);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "realloc");
    return no_memory_for(__builtin_return_address(0)) ? NULL : real(block, size);
}

/* ---- messages: a failure goes where Open MPI itself would send it ---- */

#define MESSAGE(name, comm, real)                                                                                      \
    do {                                                                                                               \
        enum action action = meet(name, "-");                                                                          \
        if (fails(action)) {                                                                                           \
            PMPI_Comm_call_errhandler(comm, MPI_ERR_OTHER);                                                            \
            return MPI_ERR_OTHER;                                                                                      \
        }                                                                                                              \
        int result = real;                                                                                             \
        die_if(action == AFTER);                                                                                       \
        return result;                                                                                                 \
    } while (0)

int MPI_Send(const void *buffer, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm)
{
    MESSAGE("MPI_Send", comm, PMPI_Send(buffer, count, type, to, tag, comm));
}

int MPI_Isend(const void *buffer, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm, MPI_Request *request)
{
    MESSAGE("MPI_Isend", comm, PMPI_Isend(buffer, count, type, to, tag, comm, request));
}

int MPI_Recv(void *buffer, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm, MPI_Status *status)
{
    MESSAGE("MPI_Recv", comm, PMPI_Recv(buffer, count, type, from, tag, comm, status));
}

int MPI_Bcast(void *buffer, int count, MPI_Datatype type, int root, MPI_Comm comm)
{
    MESSAGE("MPI_Bcast", comm, PMPI_Bcast(buffer, count, type, root, comm));
}

int MPI_Allreduce(const void *from, void *to, int count, MPI_Datatype type, MPI_Op operation, MPI_Comm comm)
{
    MESSAGE("MPI_Allreduce", comm, PMPI_Allreduce(from, to, count, type, operation, comm));
}

int MPI_Gather(const void *from, int count, MPI_Datatype type, void *to, int each, MPI_Datatype type_to, int root,
               MPI_Comm comm)
{
    MESSAGE("MPI_Gather", comm, PMPI_Gather(from, count, type, to, each, type_to, root, comm));
}

/* Opening has no file yet: MPI_FILE_NULL stands for the handler of all files. */
#define MESSAGE_OF_FILE(name, file, real)                                                                              \
    do {                                                                                                               \
        enum action action = meet(name, "-");                                                                          \
        if (fails(action)) {                                                                                           \
            PMPI_File_call_errhandler(file, MPI_ERR_IO);                                                               \
            return MPI_ERR_IO;                                                                                         \
        }                                                                                                              \
        int result = real;                                                                                             \
        die_if(action == AFTER);                                                                                       \
        return result;                                                                                                 \
    } while (0)

int MPI_File_open(MPI_Comm comm, const char *path, int mode, MPI_Info info, MPI_File *file)
{
    MESSAGE_OF_FILE("MPI_File_open", MPI_FILE_NULL, PMPI_File_open(comm, path, mode, info, file));
}

int MPI_File_read_at(MPI_File file, MPI_Offset place, void *buffer, int count, MPI_Datatype type, MPI_Status *status)
{
    MESSAGE_OF_FILE("MPI_File_read_at", file, PMPI_File_read_at(file, place, buffer, count, type, status));
}

int MPI_File_write_at(MPI_File file, MPI_Offset place, const void *buffer, int count, MPI_Datatype type,
                      MPI_Status *status)
{
    MESSAGE_OF_FILE("MPI_File_write_at", file, PMPI_File_write_at(file, place, buffer, count, type, status));
}
