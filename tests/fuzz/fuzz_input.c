#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz_input.h"

static char folder[256], path[FUZZ_SLOTS][512];

static _Noreturn void finding(int exit_status)
{
    (void)exit_status;
    abort();
}

static void remove_folder(void)
{
    for (int slot = 0; slot < FUZZ_SLOTS; slot++)
        if (path[slot][0]) unlink(path[slot]);
    rmdir(folder);
}

struct memory_count fuzz_begin(void)
{
    if (!folder[0]) {
        const char *parent = getenv("TMPDIR");
        check_set_hook(finding);
        log_configure(LOG_ERROR, -1);
        snprintf(folder, sizeof folder, "%s/palimpsest-fuzz-XXXXXX", parent ? parent : "/tmp");
        CHECK(mkdtemp(folder) != NULL, "%s cannot be created", folder);
        atexit(remove_folder);
    }
    return memory_count();
}

void fuzz_end(struct memory_count before)
{
    struct memory_count now = memory_count();
    CHECK(now.blocks == before.blocks && now.bytes == before.bytes, "%zu blocks with %zu bytes were not given back",
          now.blocks - before.blocks, now.bytes - before.bytes);
}

const char *fuzz_folder(void) { return folder; }

const char *fuzz_file(int slot, const char *name, const void *bytes, size_t count)
{
    CHECK(slot >= 0 && slot < FUZZ_SLOTS, "slot %d", slot);
    snprintf(path[slot], sizeof path[slot], "%s/%s", folder, name);
    int descriptor = open(path[slot], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    CHECK(descriptor >= 0, "%s cannot be created", path[slot]);
    CHECK(write(descriptor, bytes, count) == (ssize_t)count, "%s cannot be written", path[slot]);
    close(descriptor);
    return path[slot];
}

void fuzz_refused(const struct error *err, const char *place)
{
    CHECK(err->kind == ERROR_INPUT || err->kind == ERROR_OUTSIDE, "refused with kind %d", (int)err->kind);
    CHECK(memchr(err->text, 0, sizeof err->text) != NULL && err->text[0], "refused without a word");
    CHECK(!place || strstr(err->text, place), "\"%s\" is not in: %.300s", place, err->text);
}
