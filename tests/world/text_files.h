/* A folder of small corpora and tasks, and the spec that names them; gone, with all memory, at the end of a test. */
#ifndef TESTS_WORLD_TEXT_FILES_H
#define TESTS_WORLD_TEXT_FILES_H

#include "palimpsest/world.h"

enum { TEXT_FILES_MOST = 32, TEXT_SOURCES_MOST = 8 };
struct text_files {
    char folder[64];
    char *path[TEXT_FILES_MOST]; /* of files made here or borrowed; only those in the folder are removed */
    int files;
    struct world_spec spec; /* text, seed 1, bytes, a fifth held out; corpora and tasks as they are added */
    struct text_source corpora[TEXT_SOURCES_MOST], tasks[TEXT_SOURCES_MOST];
    char task_names[TEXT_SOURCES_MOST][NAME_MAX_BYTES];
    struct error err; /* of the last text_world_refused */
    struct memory_count before;
};
int text_files_setup(void **state);
int text_files_teardown(void **state); /* also checks that all memory was given back */
/* The path of a file that is there already. */
char *text_file_name(struct text_files *files, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *text_file_add(struct text_files *files, const char *name, const void *bytes, size_t count);
/* One corpus of one file; corpus_add_file adds more files to the last corpus. */
void corpus_add(struct text_files *files, const char *name, const char *text);
void corpus_add_file(struct text_files *files, const char *path);
void task_add(struct text_files *files, const char *name, const char *train, const char *test);
/* A binary corpus of tokens first, first + 1, ... (no header), and the spec of a binary world with that vocabulary. */
void corpus_add_count(struct text_files *files, const char *name, unsigned first, unsigned count);
void binary_world(struct text_files *files, int vocabulary);
struct world *text_world(struct text_files *files, int context); /* fails the test when it is refused */
/* The text of the error; fails the test when the world is not refused, or not with ERROR_INPUT. */
const char *text_world_refused(struct text_files *files, int context);
/* Asserts that it is refused, and that the text of the error holds `part`. */
void assert_refused(struct text_files *files, const char *part);

#endif
