/* A look through a large text file before memory is taken for it: what is no text, or has lost its line ends, is
 * refused after a buffer or two, however large the file is. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text_private.h"

enum { BUFFER = 1 << 20, SMALL = 64 << 20 /* bytes: such a file is read at once, and looked at then */ };

struct scan {
    const char *path;
    size_t longest, length; /* of a line: allowed, and of the one that has begun */
    long long line;
};

/* -1 after a complaint. */
static int scan_piece(struct scan *scan, struct text_piece piece, struct complaints *complaints)
{
    if (memchr(piece.bytes, 0, piece.count)) {
        const char *nul = memchr(piece.bytes, 0, piece.count);
        for (const char *at = piece.bytes; at < nul; at++) scan->line += *at == '\n';
        text_complain(complaints, "%s:%lld: holds a NUL byte; this is no text", scan->path, scan->line);
        return -1;
    }
    while (piece.count > 0) {
        const char *end = memchr(piece.bytes, '\n', piece.count);
        size_t taken = end ? (size_t)(end - piece.bytes) + 1 : piece.count;
        scan->length += taken;
        if (scan->length > scan->longest) {
            text_complain(complaints, "%s:%lld: is longer than %zu bytes; has a line end been lost?", scan->path,
                          scan->line, scan->longest);
            return -1;
        }
        if (end) scan->line++, scan->length = 0;
        piece = (struct text_piece){piece.bytes + taken, piece.count - taken};
    }
    return 0;
}

static int scan_all(int descriptor, struct scan *scan, struct complaints *complaints)
{
    char *buffer = memory_allocate(BUFFER);
    ssize_t got = 1;
    int status = 0;
    while (status == 0 && got > 0) {
        got = read(descriptor, buffer, BUFFER);
        if (got > 0) status = scan_piece(scan, (struct text_piece){buffer, (size_t)got}, complaints);
        if (got < 0 && errno == EINTR) got = 1;
    }
    memory_free(buffer);
    return status; /* a failure to read is said by the one who reads */
}

int text_scan(const char *path, size_t longest_line, struct complaints *complaints)
{
    struct scan scan = {.path = path, .longest = longest_line, .line = 1};
    struct stat facts;
    if (stat(path, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size <= SMALL) return 0;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return 0;
    int status = scan_all(descriptor, &scan, complaints);
    close(descriptor);
    return status;
}
