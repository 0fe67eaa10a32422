/* Lines `label<TAB>text` of a task's file. */
#include <string.h>

#include "text_private.h"

enum { LINE_MOST = 65536 /* bytes */, LINE_ABSURD = 16 << 20 /* with such a line a file is not even read */ };

static bool all_blank(struct text_piece piece)
{
    for (size_t i = 0; i < piece.count; i++)
        if (piece.bytes[i] != ' ' && piece.bytes[i] != '\r' && piece.bytes[i] != '\t') return false;
    return true;
}

/* Label and text of one line, or what is wrong with it. */
static const char *split_line(struct text_piece content, struct task_line *line)
{
    if (content.count > LINE_MOST) return "is longer than 65536 bytes; has a line end been lost?";
    if (all_blank(content)) return "is empty; leave such lines out";
    const char *tab = memchr(content.bytes, '\t', content.count);
    if (!tab) return "has no tab; a line is label<TAB>text";
    line->label = (struct text_piece){content.bytes, (size_t)(tab - content.bytes)};
    line->text = (struct text_piece){tab + 1, content.count - line->label.count - 1};
    if (all_blank(line->label)) return "has no label before its tab; a line is label<TAB>text";
    if (line->label.count >= NAME_MAX_BYTES) return "has a label of more than 63 bytes; is this label<TAB>text?";
    if (memchr(line->text.bytes, '\t', line->text.count)) return "has a second tab; a line is label<TAB>text";
    if (all_blank(line->text)) return "has no text after its tab; a line is label<TAB>text";
    return NULL;
}

static void read_line(struct task_file *file, struct text_piece content, int number, int binary_vocabulary,
                      struct complaints *complaints)
{
    char why[128];
    struct task_line line = {.line = number};
    if (content.count > 0 && content.bytes[content.count - 1] == '\r') content.count--;
    const char *wrong = split_line(content, &line);
    if (wrong) {
        text_complain(complaints, "%s:%d: %s", file->path, number, wrong);
        return;
    }
    if (binary_vocabulary > 0 &&
        binary_check(line.text.bytes, line.text.count, binary_vocabulary, why, sizeof why) != NULL) {
        text_complain(complaints, "%s:%d: %s", file->path, number, why);
        return;
    }
    file->line = memory_grow(file->line, &file->capacity, file->count + 1, sizeof *file->line);
    file->line[file->count++] = line;
}

/* A text that comes twice would sit in the development split and in train at once, or bear two labels. */
static void check_repeats(const struct task_file *file, struct complaints *complaints)
{
    struct string_table texts = {0};
    for (size_t i = 0; i < file->count; i++) {
        const struct task_line *line = &file->line[i];
        uint64_t *first = string_table_value(&texts, line->text.bytes, line->text.count);
        if (*first == 0) {
            *first = i + 1;
            continue;
        }
        const struct task_line *before = &file->line[*first - 1];
        bool same = before->label.count == line->label.count &&
                    memcmp(before->label.bytes, line->label.bytes, line->label.count) == 0;
        text_complain(complaints, "%s:%d: has the text of line %d%s; keep one of them", file->path, line->line, before->line,
                 same ? "" : " under another label");
    }
    string_table_reset(&texts);
}

void task_file_read(struct task_file *file, const char *path, int binary_vocabulary, struct complaints *complaints)
{
    size_t count;
    file->path = path;
    if (text_scan(path, LINE_ABSURD, complaints) != 0) return;
    if (read_data_file(path, &file->bytes, &count, complaints) != 0) return;
    struct text_piece rest = {file->bytes, count};
    if (count >= 3 && memcmp(rest.bytes, "\xEF\xBB\xBF", 3) == 0) rest.bytes += 3, rest.count -= 3;
    if (utf8_check(path, rest.bytes, rest.count, complaints) != 0) return;
    int before = complaints->count;
    for (int number = 1; rest.count > 0; number++) {
        const char *end = memchr(rest.bytes, '\n', rest.count);
        size_t length = end ? (size_t)(end - rest.bytes) : rest.count;
        read_line(file, (struct text_piece){rest.bytes, length}, number, binary_vocabulary, complaints);
        rest.bytes += length + (end != NULL);
        rest.count -= length + (end != NULL);
    }
    if (file->count == 0 && complaints->count == before) text_complain(complaints, "%s: is empty", path);
    check_repeats(file, complaints);
}

void task_file_reset(struct task_file *file)
{
    memory_free(file->bytes);
    memory_free(file->line);
    *file = (struct task_file){0};
}
