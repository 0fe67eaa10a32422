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

/* Of what a block holds beyond its header, `kept` bytes are left for the caller to fill; the rest is zero. */
static void *allocate(size_t bytes, size_t kept)
{
    CHECK(bytes <= SIZE_MAX - 2 * HEADER, "%zu bytes asked", bytes);
    size_t whole = HEADER + (bytes + HEADER - 1) / HEADER * HEADER;
    char *block = aligned_alloc(HEADER, whole);
    if (!block) memory_exhausted(bytes, counted.bytes);
    memset(block, 0, HEADER);
    memset(block + HEADER + kept, 0, whole - HEADER - kept);
    memcpy(block, &bytes, sizeof bytes);
    counted.blocks++;
    counted.allocations++;
    counted.bytes += bytes;
    if (counted.bytes > counted.peak_bytes) counted.peak_bytes = counted.bytes;
    return block + HEADER;
}

/* The C library of GNU keeps freed blocks of up to 32 MiB, in a heap where none of another size fits between them: a
 * rank with states of 19 MB took 12 % more than they and its buffers have. */
void memory_return_freed(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

void *memory_allocate(size_t bytes) { return allocate(bytes, 0); }

static size_t block_bytes(const void *block)
{
    size_t bytes;
    memcpy(&bytes, (const char *)block - HEADER, sizeof bytes);
    return bytes;
}

void memory_free(void *block)
{
    if (!block) return;
    CHECK(counted.blocks > 0, "a block is freed that was not allocated");
    counted.blocks--;
    counted.bytes -= block_bytes(block);
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

void *memory_grow(void *block, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity) return block;
    size_t wanted = *capacity < 2 ? 2 : *capacity + *capacity / 2;
    if (wanted < needed) wanted = needed;
    CHECK(size == 0 || wanted <= SIZE_MAX / size, "%zu elements of %zu bytes", wanted, size);
    size_t held = block ? *capacity * size : 0; /* not cleared first: it is written once, also where it is large */
    void *grown = allocate(wanted * size, held);
    if (block) memcpy(grown, block, held);
    memory_free(block);
    *capacity = wanted;
    return grown;
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
