/* The list of everything that is wrong, and the words of help in it. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_private.h"
#include "palimpsest/base_words.h"

enum { LONGEST_LIST = 24 }; /* of words that a message names */

static bool same_mark(struct mark a, struct mark b) { return a.line == b.line && a.column == b.column; }

static bool is_there(const struct complaints *complaints, struct mark mark, const char *text)
{
    for (size_t i = 0; i < complaints->count; i++)
        if (same_mark(complaints->list[i].mark, mark) && strcmp(complaints->list[i].text, text) == 0) return true;
    return false;
}

void complain(struct complaints *complaints, struct mark mark, const char *key, const char *format, ...)
{
    char what[1024];
    va_list values;
    if (complaints->count >= COMPLAINTS_MAX) return;
    va_start(values, format);
    vsnprintf(what, sizeof what, format, values);
    va_end(values);
    char *text = memory_format("%s: %s", key, what);
    if (is_there(complaints, mark, text)) {
        memory_free(text);
        return;
    }
    size_t number = complaints->count;
    complaints->list = memory_grow(complaints->list, &complaints->capacity, number + 1, sizeof *complaints->list);
    complaints->list[number] = (struct complaint){.mark = mark, .number = number, .text = text};
    complaints->count++;
}

static int by_place(const void *left, const void *right)
{
    const struct complaint *a = left, *b = right;
    if (a->mark.line != b->mark.line) return a->mark.line < b->mark.line ? -1 : 1;
    if (a->mark.column != b->mark.column) return a->mark.column < b->mark.column ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* Adds whole lines as long as they fit and leaves room to say how many did not. */
static void join(const struct complaints *complaints, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < complaints->count; i++) {
        const struct complaint *one = &complaints->list[i];
        const char *joint = i ? "\n" : "";
        int length =
            snprintf(NULL, 0, "%s%s:%d:%d: %s", joint, complaints->path, one->mark.line, one->mark.column, one->text);
        if (used + (size_t)length + 64 > size) {
            snprintf(text + used, size - used, "%s... and %zu more", joint, complaints->count - i);
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s:%d:%d: %s", joint, complaints->path, one->mark.line,
                                 one->mark.column, one->text);
    }
}

int complaints_finish(struct complaints *complaints, struct error *err)
{
    int status = complaints->count > 0 ? -1 : 0;
    if (status != 0) {
        qsort(complaints->list, complaints->count, sizeof *complaints->list, by_place);
        error_set(err, ERROR_INPUT, "%s", "");
        if (err) join(complaints, err->text, sizeof err->text);
    }
    for (size_t i = 0; i < complaints->count; i++) memory_free(complaints->list[i].text);
    memory_free(complaints->list);
    complaints->list = NULL;
    complaints->count = complaints->capacity = 0;
    return status;
}

const char *quoted(const char *text, char buffer[QUOTED])
{
    size_t used = 0;
    buffer[used++] = '"';
    for (; *text && used < QUOTED - 6; text++) buffer[used++] = iscntrl((unsigned char)*text) ? '?' : *text;
    if (*text) { /* cut, and not within a character of several bytes */
        while (used > 1 && ((unsigned char)*text & 0xC0) == 0x80) {
            text--;
            used--;
        }
        used += (size_t)snprintf(buffer + used, 4, "...");
    }
    buffer[used++] = '"';
    buffer[used] = 0;
    return buffer;
}

const char *suggestion(const char *word, const char *const *known, int count, char *buffer)
{
    int found = word_nearest(word, known, count);
    if (found >= 0) {
        snprintf(buffer, KEY_TEXT, "; did you mean %s?", known[found]);
        return buffer;
    }
    if (count > LONGEST_LIST) return strcpy(buffer, "; all are listed in sweeps/README.md");
    size_t used = (size_t)snprintf(buffer, KEY_TEXT, "%s", count ? "; known: " : "");
    for (int i = 0; i < count; i++) {
        if (used + strlen(known[i]) + 8 > KEY_TEXT) return strcpy(buffer + used, ", ..."), buffer;
        used += (size_t)snprintf(buffer + used, KEY_TEXT - used, "%s%s", i ? ", " : "", known[i]);
    }
    return buffer;
}

bool is_known(const char *word, const char *const *known, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(word, known[i]) == 0) return true;
    return false;
}
