/* One line to stderr at a time, so that the lines of many ranks do not mix. */
#include <stdio.h>
#include <time.h>

#include "palimpsest/base.h"

#include "base_private.h"

static enum log_level shown = LOG_NOTE;
static int own_rank = -1;

void log_configure(enum log_level most, int rank)
{
    shown = most;
    own_rank = rank;
}

int log_rank(void) { return own_rank; }

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const word[] = {"error: ", "warning: ", "", ""};
    if (level > shown) return;
    char text[4096];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (own_rank >= 0)
        fprintf(stderr, "palimpsest: rank %d: %s%s\n", own_rank, word[level], text);
    else
        fprintf(stderr, "palimpsest: %s%s\n", word[level], text);
}

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
