/* Counted memory.  Every block has a header of one cache line with its size, so that the counters are exact and a test
 * that compares them before and after is a leak test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "palimpsest/base.h"

#include "base_private.h"

enum { HEADER = 64 };

static struct memory_count counted;

static size_t whole_block(size_t bytes)
{
    CHECK(bytes <= SIZE_MAX - 2 * HEADER, "%zu bytes asked", bytes);
    return HEADER + (bytes + HEADER - 1) / HEADER * HEADER;
}

/* A block as its caller gets it: what it holds is zero but for the first `kept` bytes, and it is counted. */
static void *finish_block(char *block, size_t bytes, size_t kept)
{
    memset(block, 0, HEADER);
    memcpy(block, &bytes, sizeof bytes);
    memset(block + HEADER + kept, 0, whole_block(bytes) - HEADER - kept);
    counted.blocks++;
    counted.allocations++;
    counted.bytes += bytes;
    if (counted.bytes > counted.peak_bytes) counted.peak_bytes = counted.bytes;
    return block + HEADER;
}

void *memory_allocate(size_t bytes)
{
    char *block = aligned_alloc(HEADER, whole_block(bytes));
    if (!block) memory_exhausted(bytes, counted.bytes);
    return finish_block(block, bytes, 0);
}

/* The C library of GNU keeps freed blocks of up to 32 MiB, in a heap where none of another size fits between them: a
 * rank with states of 19 MB took 12 % more than they and its buffers have. */
void memory_return_freed(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

static size_t block_bytes(const void *block)
{
    size_t bytes;
    memcpy(&bytes, (const char *)block - HEADER, sizeof bytes);
    return bytes;
}

static void count_out(const void *block)
{
    CHECK(counted.blocks > 0, "a block is freed that was not allocated");
    counted.blocks--;
    counted.bytes -= block_bytes(block);
}

void memory_free(void *block)
{
    if (!block) return;
    count_out(block);
    free((char *)block - HEADER);
}

void *memory_array(size_t elements, size_t size)
{
    CHECK(size == 0 || elements <= SIZE_MAX / size, "%zu elements of %zu bytes", elements, size);
    return memory_allocate(elements * size);
}

char *memory_text(const char *text)
{
    if (!text) return NULL;
    size_t bytes = strlen(text) + 1;
    return memcpy(memory_allocate(bytes), text, bytes);
}

char *memory_format(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    CHECK(length >= 0, "format %s", format);
    char *text = memory_allocate((size_t)length + 1);
    va_start(values, format);
    vsnprintf(text, (size_t)length + 1, format, values);
    va_end(values);
    return text;
}

/* realloc, because it moves the pages of a large block where they are, neither copied nor touched (a third of what
 * planning a million stages took); but it promises no alignment. */
static void *grow_block(void *block, size_t bytes)
{
    size_t held = block_bytes(block), whole = whole_block(bytes);
    char *moved = realloc((char *)block - HEADER, whole);
    if (!moved) memory_exhausted(bytes, counted.bytes);
    if ((uintptr_t)moved % HEADER != 0) {
        char *aligned = aligned_alloc(HEADER, whole);
        if (!aligned) memory_exhausted(bytes, counted.bytes);
        memcpy(aligned, moved, HEADER + held);
        free(moved);
        moved = aligned;
    }
    count_out(moved + HEADER);
    return finish_block(moved, bytes, held);
}

void *memory_grow(void *block, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity) return block;
    size_t wanted = *capacity < 2 ? 2 : *capacity + *capacity / 2;
    if (wanted < needed) wanted = needed;
    CHECK(size == 0 || wanted <= SIZE_MAX / size, "%zu elements of %zu bytes", wanted, size);
    block = block ? grow_block(block, wanted * size) : memory_allocate(wanted * size);
    *capacity = wanted;
    return block;
}

struct memory_count memory_count(void) { return counted; }

/* Where there is no /proc the peak is that of getrusage, which on Linux also remembers the program that started this.
 */
void memory_resident(int64_t *now, int64_t *peak)
{
    long long resident = 0, most = 0;
    char line[128];
    struct rusage usage;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) {
        if (sscanf(line, "VmHWM: %lld", &most) == 0) sscanf(line, "VmRSS: %lld", &resident);
    }
    if (status) fclose(status);
    if (most == 0 && getrusage(RUSAGE_SELF, &usage) == 0) most = resident = usage.ru_maxrss;
    if (now) *now = (int64_t)resident << 10;
    if (peak) *peak = (int64_t)most << 10;
}
