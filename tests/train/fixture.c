#include <stdio.h>
#include <string.h>

#include "fixture.h"

enum { NAME_BYTES = 64, ENTRIES_MAX = 1024, FLOATS = 0, INTEGERS = 1 };

struct entry {
    char name[NAME_BYTES + 1];
    uint32_t type, count;
    const void *values;
};
struct fixture {
    char *bytes;
    int entries;
    struct entry entry[ENTRIES_MAX];
};

/* One entry from bytes[left]; returns its length, 0 when the file is not as it should be. */
static size_t parse_entry(const char *bytes, size_t left, struct entry *entry)
{
    const size_t front = NAME_BYTES + 8;
    if (left < front) return 0;
    memcpy(entry->name, bytes, NAME_BYTES);
    memcpy(&entry->type, bytes + NAME_BYTES, 4);
    memcpy(&entry->count, bytes + NAME_BYTES + 4, 4);
    entry->values = bytes + front;
    if (entry->type > INTEGERS || (left - front) / 4 < entry->count) return 0;
    return front + 4 * (size_t)entry->count;
}

int fixture_read(const char *path, struct fixture **fixture, struct error *err)
{
    struct fixture *read = memory_allocate(sizeof *read);
    size_t size = 0, at = 8;
    int status = 0;
    TRY_DONE(file_read(path, 1 << 20, &read->bytes, &size, err));
    if (size < at || memcmp(read->bytes, "PALREF1\n", at) != 0)
        TRY_DONE(error_set(err, ERROR_INPUT, "%s is no reference fixture", path));
    while (at < size) {
        size_t length = 0;
        if (read->entries < ENTRIES_MAX) length = parse_entry(read->bytes + at, size - at, &read->entry[read->entries]);
        if (length == 0) TRY_DONE(error_set(err, ERROR_INPUT, "%s is damaged at byte %zu", path, at));
        read->entries++;
        at += length;
    }
    *fixture = read;
    read = NULL;
done:
    fixture_destroy(&read);
    return status;
}

void fixture_destroy(struct fixture **fixture)
{
    if (!*fixture) return;
    memory_free((*fixture)->bytes);
    memory_free(*fixture);
    *fixture = NULL;
}

static const void *find(const struct fixture *fixture, uint32_t type, size_t *count, const char *format, va_list values)
{
    char name[256];
    vsnprintf(name, sizeof name, format, values);
    for (int i = 0; i < fixture->entries; i++) {
        const struct entry *entry = &fixture->entry[i];
        if (entry->type != type || strcmp(entry->name, name) != 0) continue;
        *count = entry->count;
        return entry->values;
    }
    return NULL;
}

const float *fixture_floats(const struct fixture *fixture, size_t *count, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    const float *found = find(fixture, FLOATS, count, format, values);
    va_end(values);
    return found;
}

const int32_t *fixture_integers(const struct fixture *fixture, size_t *count, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    const int32_t *found = find(fixture, INTEGERS, count, format, values);
    va_end(values);
    return found;
}
