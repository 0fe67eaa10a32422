#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text_files.h"

int text_files_setup(void **state)
{
    struct memory_count before = memory_count();
    struct text_files *files = memory_allocate(sizeof *files);
    files->before = before;
    strcpy(files->folder, "/tmp/palimpsest-world-XXXXXX");
    if (!mkdtemp(files->folder)) return -1;
    files->spec = (struct world_spec){.kind = WORLD_TEXT,
                                      .seed = 1,
                                      .tokenizer = TOKENIZER_BYTES,
                                      .held_out = 0.2,
                                      .corpora = files->corpora,
                                      .tasks = files->tasks};
    *state = files;
    return 0;
}

int text_files_teardown(void **state)
{
    struct text_files *files = *state;
    struct memory_count before = files->before;
    for (int i = 0; i < files->files; i++) {
        if (strncmp(files->path[i], files->folder, strlen(files->folder)) == 0) unlink(files->path[i]);
        memory_free(files->path[i]);
    }
    for (int i = 0; i < TEXT_SOURCES_MOST; i++) memory_free(files->corpora[i].files);
    rmdir(files->folder);
    memory_free(files);
    return memory_count().blocks == before.blocks && memory_count().bytes == before.bytes ? 0 : -1;
}

char *text_file_name(struct text_files *files, const char *format, ...)
{
    char path[512];
    va_list values;
    va_start(values, format);
    vsnprintf(path, sizeof path, format, values);
    va_end(values);
    assert_true(files->files < TEXT_FILES_MOST);
    return files->path[files->files++] = memory_text(path);
}

char *text_file_add(struct text_files *files, const char *name, const void *bytes, size_t count)
{
    struct error err;
    char *path = text_file_name(files, "%s/%s", files->folder, name);
    assert_int_equal(file_write_atomic(path, bytes, count, &err), 0);
    return path;
}

void corpus_add_file(struct text_files *files, const char *path)
{
    struct text_source *corpus = &files->corpora[files->spec.corpus_count - 1];
    if (!corpus->files) corpus->files = memory_array(TEXT_FILES_MOST, sizeof *corpus->files);
    corpus->files[corpus->file_count++] = (char *)path;
}

static struct text_source *new_corpus(struct text_files *files, const char *name)
{
    struct text_source *corpus = &files->corpora[files->spec.corpus_count++];
    assert_true(files->spec.corpus_count <= TEXT_SOURCES_MOST);
    snprintf(corpus->name, sizeof corpus->name, "%s", name);
    return corpus;
}

void corpus_add(struct text_files *files, const char *name, const char *text)
{
    char file[NAME_MAX_BYTES + 8];
    snprintf(file, sizeof file, "%s.txt", name);
    new_corpus(files, name);
    corpus_add_file(files, text_file_add(files, file, text, strlen(text)));
}

void corpus_add_count(struct text_files *files, const char *name, unsigned first, unsigned count)
{
    char file[NAME_MAX_BYTES + 8];
    unsigned char *bytes = memory_allocate(2 * (size_t)count);
    for (unsigned i = 0; i < count; i++) {
        bytes[2 * i] = (unsigned char)(first + i);
        bytes[2 * i + 1] = (unsigned char)((first + i) >> 8);
    }
    snprintf(file, sizeof file, "%s.bin", name);
    new_corpus(files, name);
    corpus_add_file(files, text_file_add(files, file, bytes, 2 * (size_t)count));
    memory_free(bytes);
}

void binary_world(struct text_files *files, int vocabulary)
{
    files->spec.tokenizer = TOKENIZER_BINARY;
    files->spec.vocabulary = vocabulary;
}

void task_add(struct text_files *files, const char *name, const char *train, const char *test)
{
    char file[NAME_MAX_BYTES + 16];
    struct text_source *task = &files->tasks[files->spec.task_count];
    snprintf(files->task_names[files->spec.task_count++], NAME_MAX_BYTES, "%s", name);
    snprintf(task->name, sizeof task->name, "%s", name);
    snprintf(file, sizeof file, "%s-train.tsv", name);
    task->train = text_file_add(files, file, train, strlen(train));
    snprintf(file, sizeof file, "%s-test.tsv", name);
    task->test = text_file_add(files, file, test, strlen(test));
}

static int create(struct text_files *files, int context, struct world **world)
{
    return world_create(&files->spec, (const char(*)[NAME_MAX_BYTES])files->task_names, files->spec.task_count, context,
                        world, &files->err);
}

struct world *text_world(struct text_files *files, int context)
{
    struct world *world = NULL;
    if (create(files, context, &world) != 0) fail_msg("the world was refused: %s", files->err.text);
    return world;
}

const char *text_world_refused(struct text_files *files, int context)
{
    struct world *world = NULL;
    assert_int_equal(create(files, context, &world), -1);
    assert_null(world);
    assert_int_equal(files->err.kind, ERROR_INPUT);
    return files->err.text;
}

void assert_refused(struct text_files *files, const char *part)
{
    const char *text = text_world_refused(files, 4);
    if (!strstr(text, part)) fail_msg("\"%s\" is not in: %s", part, text);
}
