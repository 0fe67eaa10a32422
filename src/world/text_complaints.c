/* Complaints about data files, and the growing arrays of the text world. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "text_private.h"

void text_complain(struct complaints *complaints, const char *format, ...)
{
    va_list values;
    size_t room = sizeof complaints->text - complaints->used;
    if (complaints->count++ >= COMPLAINTS_MAX || room < 2) return;
    va_start(values, format);
    int written = vsnprintf(complaints->text + complaints->used, room - 1, format, values);
    va_end(values);
    size_t length = written < 0 ? 0 : (size_t)written;
    complaints->used += length < room - 1 ? length : room - 2;
    memcpy(complaints->text + complaints->used++, "\n", 2);
}

int complaints_result(const struct complaints *complaints, struct error *err)
{
    if (complaints->count == 0) return 0;
    enum error_kind kind = complaints->outside ? ERROR_OUTSIDE : ERROR_INPUT;
    int length = (int)complaints->used - 1; /* the last line needs no end */
    if (complaints->count <= COMPLAINTS_MAX) return error_set(err, kind, "%.*s", length, complaints->text);
    return error_set(err, kind, "%.*s\nand %d more like these", length, complaints->text,
                     complaints->count - COMPLAINTS_MAX);
}

int read_data_file(const char *path, char **bytes, size_t *count, struct complaints *complaints)
{
    static const size_t most = (size_t)64 << 30;
    struct error err;
    struct stat facts;
    if (file_read(path, most, bytes, count, &err) == 0) return 0;
    /* a path that leads to no file is a mistake in the sweep; a file that cannot be read is not */
    if (stat(path, &facts) == 0 && S_ISREG(facts.st_mode) && err.kind == ERROR_OUTSIDE) complaints->outside = true;
    text_complain(complaints, "%.600s", err.text);
    return -1;
}

void token_list_fit(struct token_list *list)
{
    uint16_t *fitting = memory_array(list->count, sizeof *fitting);
    if (list->count > 0) memcpy(fitting, list->token, list->count * sizeof *fitting);
    memory_free(list->token);
    list->token = fitting;
    list->capacity = list->count;
}

void token_list_reset(struct token_list *list)
{
    memory_free(list->token);
    *list = (struct token_list){0};
}

void byte_list_add(struct byte_list *list, const char *bytes, size_t count)
{
    list->byte = memory_grow(list->byte, &list->capacity, list->count + count, 1);
    if (count > 0) memcpy(list->byte + list->count, bytes, count);
    list->count += count;
}
