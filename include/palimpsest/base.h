/* base: what every room stands on: errors, counted memory, log, counter-based random numbers, hashing, files.
 *
 * Three kinds of error, one way each:
 *   our own bug            CHECK(...), always on; ends the program through the abort hook
 *   the outside world      a function returns -1 and fills its last parameter, struct error *; outputs are untouched
 *   a stage that fails     the same, with kind ERROR_STAGE: a result that is recorded, not an end
 */
#ifndef PALIMPSEST_BASE_H
#define PALIMPSEST_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- errors ---- */

/* X(name, exit status of a program that ends by it, word for people) */
#define ERROR_KINDS(X)                                                                                                 \
    X(ERROR_NONE, 0, "no error")                                                                                       \
    X(ERROR_INPUT, 2, "wrong input")   /* the sweep file, the data or the options are wrong */                         \
    X(ERROR_OUTSIDE, 3, "failure outside") /* disk full, file unreadable, message lost */                              \
    X(ERROR_STAGE, 1, "failed stage")  /* loss not finite, data unusable: a recorded result */                         \
    X(ERROR_STOPPED, 75, "stopped early") /* drained on purpose; run the same command again */

#define ERROR_ENUM(name, status, word) name,
enum error_kind { ERROR_KINDS(ERROR_ENUM) };
#undef ERROR_ENUM

struct error {
    enum error_kind kind;
    char text[8192]; /* for a person: where, what, and what would be right; may be several lines */
};

/* Fill err (may be NULL) and return -1, so that `return error_set(err, ...)` fails in one line. */
int error_set(struct error *err, enum error_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Put "prefix: " before the text of err, as it is passed on. Returns -1. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
int error_exit_status(enum error_kind kind);

/* Pass a failure on; TRY_DONE leaves through the one `done:` label of a function with `int status = 0;`. */
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        if ((call) != 0) return -1;                                                                                    \
    } while (0)
#define TRY_DONE(call)                                                                                                 \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            status = -1;                                                                                               \
            goto done;                                                                                                 \
        }                                                                                                              \
    } while (0)

/* A condition that only our own bug can break; says rank, file:line and the formatted rest, then aborts. */
#define CHECK(condition, ...) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__))
#ifdef NDEBUG
#define ASSERT(condition, ...) ((void)sizeof(condition))
#else
#define ASSERT(condition, ...) CHECK(condition, __VA_ARGS__)
#endif
_Noreturn void check_failed(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* What ends the program after a failed CHECK (exit status 70); NULL restores abort(). cli installs MPI_Abort. */
typedef void check_hook_f(int exit_status);
void check_set_hook(check_hook_f *hook);

/* ---- counted memory: never NULL; out of memory is a failed CHECK ---- */

void *memory_allocate(size_t bytes); /* zeroed, aligned to 64 bytes; 0 bytes is allowed */
void memory_free(void *block);       /* accepts NULL */
char *memory_text(const char *text); /* a copy; NULL gives NULL */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *memory_array(size_t elements, size_t size); /* zeroed things of `size` bytes; overflow is checked */
/* Make room for `needed` elements in a growing array: returns the block (moved or not); the contents stay, new room is
 * zeroed. *capacity is in elements and changes only after success. */
void *memory_grow(void *block, size_t *capacity, size_t needed, size_t size);
/* For a process that means to keep to what it has counted: blocks from 1 MiB on go back to the system when freed. */
void memory_return_freed(void);
struct memory_count {
    size_t blocks, bytes, peak_bytes; /* now, now, and the most at once */
    uint64_t allocations;             /* ever */
};
struct memory_count memory_count(void); /* of this process; tests compare it before and after */
/* Bytes of this process in physical memory, libraries included: now (NULL: not wanted) and at most so far; about 20 us. */
void memory_resident(int64_t *now, int64_t *peak);

/* ---- log: stderr, one line each, rank named ---- */

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTE, LOG_DEBUG };
void log_configure(enum log_level most, int rank); /* rank -1: no rank is printed */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
double clock_seconds(void); /* monotonic */

/* ---- hashing: XXH3, 128 bits (xxHash library) ---- */

struct hash128 { uint64_t low, high; };
#define HASH_TEXT 33 /* 32 hexadecimal digits and the end */
struct hash128 hash_bytes(const void *bytes, size_t count);
bool hash_equal(struct hash128 a, struct hash128 b);
int hash_order(struct hash128 a, struct hash128 b); /* below, at or above 0, as numbers; for qsort and bsearch */
void hash_text(struct hash128 hash, char text[HASH_TEXT]);
int hash_parse(const char *text, struct hash128 *hash); /* -1 when text is not 32 hexadecimal digits */
/* Feeds named values one after the other; the same calls give the same hash on every machine. */
struct hasher {
    unsigned char bytes[512];
    size_t used;
    struct hash128 chained;
};
void hasher_init(struct hasher *hasher, const char *what);
void hasher_add_text(struct hasher *hasher, const char *name, const char *value);
void hasher_add_integer(struct hasher *hasher, const char *name, int64_t value);
void hasher_add_real(struct hasher *hasher, const char *name, double value); /* by bits; -0 counts as 0 */
void hasher_add_hash(struct hasher *hasher, const char *name, struct hash128 value);
struct hash128 hasher_finish(struct hasher *hasher);

/* ---- random numbers: Philox 4x32-10 (Salmon et al. 2011, Random123), keyed by purpose, never by place of use ---- */

struct random_stream { uint32_t key[2]; };
struct random_stream random_stream(const char *purpose, uint64_t seed, const char *name); /* name may be NULL */
/* A reader at absolute sample `sample` of a stream; two readers at one sample read the same numbers. */
struct random_cursor {
    struct random_stream stream;
    uint64_t sample;
    uint32_t block, words[4];
    int left;
};
struct random_cursor random_at(struct random_stream stream, uint64_t sample);
uint32_t random_word(struct random_cursor *cursor);
uint32_t random_below(struct random_cursor *cursor, uint32_t bound); /* uniform in 0 .. bound-1, unbiased; bound > 0 */
double random_unit(struct random_cursor *cursor);                    /* uniform in [0, 1), 53 bits */
double random_normal(struct random_cursor *cursor); /* standard normal (Marsaglia and Bray 1964), the same bits anywhere */
void random_permutation(struct random_cursor *cursor, uint32_t count, uint32_t *order); /* order[count], uniform */

/* ---- real functions with the same bits on every machine, exact to about one unit in the last place ---- */
double real_log(double x); /* natural; -inf at 0, NaN below */
double real_exp(double x);
double real_power(double base, uint64_t exponent); /* by repeated squaring */

/* ---- files ---- */

/* Write temp, fsync, rename, fsync folder: after it the file is whole or as it was. */
int file_write_atomic(const char *path, const void *bytes, size_t count, struct error *err);
/* *bytes is the caller's (memory_free) and ends in a 0 that *count does not include; refuses more than `most` bytes. */
int file_read(const char *path, size_t most, char **bytes, size_t *count, struct error *err);
int file_sync_folder(const char *path_inside, struct error *err); /* makes a rename or unlink beside it durable */
int folder_create(const char *path, struct error *err);           /* no error when it is there */
bool file_is_named(int descriptor, const char *path); /* path leads to this open file: not removed, not replaced */

#endif
