/* Errors as values, and the CHECK that ends the program on a bug of ours. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "palimpsest/base.h"

#include "base_private.h"

static check_hook_f *abort_hook;

int error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
    if (err) {
        va_list values;
        err->kind = kind;
        va_start(values, format);
        vsnprintf(err->text, sizeof err->text, format, values);
        va_end(values);
    }
    return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
    if (err) {
        char text[sizeof err->text];
        va_list values;
        va_start(values, format);
        int used = vsnprintf(text, sizeof text, format, values);
        va_end(values);
        if (used < 0 || (size_t)used > sizeof text / 2) return -1; /* a prefix that long would push the reason out */
        snprintf(text + used, sizeof text - (size_t)used, ": %.*s", (int)(sizeof text / 2 - 3), err->text);
        memcpy(err->text, text, sizeof text);
    }
    return -1;
}

int error_exit_status(enum error_kind kind)
{
    switch (kind) {
#define ERROR_CASE(name, status, word)                                                                                 \
    case name: return status;
        ERROR_KINDS(ERROR_CASE)
#undef ERROR_CASE
    }
    return 70;
}

void check_set_hook(check_hook_f *hook) { abort_hook = hook; }

void check_failed(const char *file, int line, const char *condition, const char *format, ...)
{
    char text[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    log_line(LOG_ERROR, "%s:%d: check failed: %s: %s", file, line, condition, text);
    if (abort_hook) abort_hook(70);
    abort();
}

/* No bug of ours, but nothing can go on either. */
void memory_exhausted(size_t asked, size_t in_use)
{
    log_line(LOG_ERROR, "out of memory: %zu bytes asked, %zu in use; `palimpsest plan` tells what a rank needs", asked,
             in_use);
    if (abort_hook) abort_hook(error_exit_status(ERROR_OUTSIDE));
    _exit(error_exit_status(ERROR_OUTSIDE));
}
