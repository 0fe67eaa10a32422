/* File names of the sweep: environment variables, globs, relative to the folder of the sweep file. */
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_private.h"

struct text { /* that grows */
    char *bytes;
    size_t length, capacity;
};

static void text_add(struct text *text, const char *bytes, size_t count)
{
    text->bytes = memory_grow(text->bytes, &text->capacity, text->length + count + 1, 1);
    memcpy(text->bytes + text->length, bytes, count);
    text->length += count;
}

/* `at` is behind "${"; returns what is behind "}", or NULL after a complaint. */
static const char *add_variable(struct reader *reader, const struct node *node, const char *at, struct text *out)
{
    char name[128];
    size_t length = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    if (length == 0 || length >= sizeof name || at[length] != '}') {
        complain_node(reader, node, "\"${\" begins the name of an environment variable; write ${NAME}/...");
        return NULL;
    }
    snprintf(name, sizeof name, "%.*s", (int)length, at);
    const char *value = getenv(name);
    if (!value || !*value) {
        complain_node(reader, node, "the environment variable %s is not set; export %s=... before the command", name,
                      name);
        return NULL;
    }
    text_add(out, value, strlen(value));
    return at + length + 1;
}

/* With variables replaced and the sweep file's folder in front; memory_free.  NULL after a complaint. */
static char *expand(struct reader *reader, const struct node *node)
{
    struct text out = {0};
    if (node->kind != NODE_SCALAR || !*node->text) {
        complain_node(reader, node, "must be the name of a file");
        return NULL;
    }
    for (const char *at = node->text; *at;) {
        if (at[0] == '$' && at[1] == '{') {
            at = add_variable(reader, node, at + 2, &out);
            if (!at) return memory_free(out.bytes), NULL;
        } else
            text_add(&out, at++, 1);
    }
    text_add(&out, "", 1);
    if (out.bytes[0] == '/' || strcmp(reader->folder, ".") == 0) return out.bytes;
    char *whole = memory_format("%s/%s", reader->folder, out.bytes);
    memory_free(out.bytes);
    return whole;
}

static bool check_readable(struct reader *reader, const struct node *node, const char *path)
{
    struct stat facts;
    const char *why = NULL;
    if (stat(path, &facts) != 0)
        why = strerror(errno);
    else if (!S_ISREG(facts.st_mode))
        why = "it is not a regular file; to read all files of a folder write folder/*";
    else if (access(path, R_OK) != 0)
        why = strerror(errno);
    if (why) complain_node(reader, node, "%.300s cannot be read: %s", path, why);
    return !why;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Takes path. */
static bool add_file(struct reader *reader, const struct node *node, char *path, char ***files, size_t *capacity,
                     int *count)
{
    for (int i = 0; i < *count; i++)
        if (strcmp((*files)[i], path) == 0) {
            complain_node(reader, node, "%.300s is listed twice; keep one of them", path);
            memory_free(path);
            return false;
        }
    *files = memory_grow(*files, capacity, (size_t)*count + 1, sizeof **files);
    (*files)[(*count)++] = path;
    return true;
}

static bool add_glob(struct reader *reader, const struct node *node, const char *pattern, char ***files,
                     size_t *capacity, int *count)
{
    glob_t found;
    bool good = glob(pattern, GLOB_NOSORT, NULL, &found) == 0 && found.gl_pathc > 0;
    if (good)
        qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_text); /* as bytes: the same in every locale */
    else
        complain_node(reader, node, "no file matches %.300s", pattern);
    for (size_t i = 0; good && i < found.gl_pathc; i++)
        good = check_readable(reader, node, found.gl_pathv[i]) &&
               add_file(reader, node, memory_text(found.gl_pathv[i]), files, capacity, count);
    globfree(&found);
    return good;
}

bool read_files(struct reader *reader, const struct node *node, char ***files, size_t *capacity, int *count)
{
    char *path = expand(reader, node);
    if (!path) return false;
    if (!strpbrk(path, "*?[")) {
        if (check_readable(reader, node, path)) return add_file(reader, node, path, files, capacity, count);
        memory_free(path);
        return false;
    }
    bool good = add_glob(reader, node, path, files, capacity, count);
    memory_free(path);
    return good;
}

char *read_file_name(struct reader *reader, const struct node *node)
{
    char *path = expand(reader, node);
    if (path && !check_readable(reader, node, path)) {
        memory_free(path);
        return NULL;
    }
    return path;
}
