/* Running text, and columns of text.  Those that do not fit beside each other follow in further panels, each with the
 * labels again. */
#include <string.h>

#include "answer_private.h"

enum { LABEL_WIDEST = 32, GAP = 2, INDENT = 2 };

void text_print(const char *text, int columns, FILE *out)
{
    int used = 0;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (used > 0 && used + 1 + length > columns) {
            fputc('\n', out);
            used = 0;
        }
        used += fprintf(out, "%s%.*s", used > 0 ? " " : "", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

struct table_column *table_add(struct table *table, bool left, const char *head)
{
    table->column = memory_grow(table->column, &table->capacity, (size_t)table->columns + 1, sizeof *table->column);
    struct table_column *column = &table->column[table->columns++];
    *column =
        (struct table_column){.left = left, .cell = memory_array((size_t)table->rows->count, sizeof *column->cell)};
    snprintf(column->head, sizeof column->head, "%s", head);
    return column;
}

void table_reset(struct table *table)
{
    for (int c = 0; c < table->columns; c++) {
        for (int r = 0; r < table->rows->count; r++) memory_free(table->column[c].cell[r]);
        memory_free(table->column[c].cell);
    }
    memory_free(table->column);
    *table = (struct table){.rows = NULL};
}

/* Characters of UTF-8 text: bytes that do not go on with one. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++) width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static int larger(int a, int b) { return a > b ? a : b; }

static int column_width(const struct table *table, int c)
{
    int width = width_of(table->column[c].head);
    for (int r = 0; r < table->rows->count; r++)
        if (table->column[c].cell[r]) width = larger(width, width_of(table->column[c].cell[r]));
    return width;
}

static int indent_of(const struct row *row) { return row->dimension ? INDENT : 0; }

static int smaller(int a, int b) { return a < b ? a : b; }

/* A label that is longer than this stands on a line of its own; the widest column has room beside it. */
static int label_width(const struct table *table, int columns, int widest)
{
    int width = 0, most = smaller(smaller(columns / 3, LABEL_WIDEST), larger(columns - GAP - widest, 0));
    for (int r = 0; r < table->rows->count; r++) {
        const struct row *row = &table->rows->row[r];
        width = larger(width, indent_of(row) + width_of(row->label));
        if (row->dimension) width = larger(width, width_of(row->dimension));
    }
    return smaller(width, most);
}

struct panel { /* columns first .. end - 1 beside each other */
    int first, end, label;
    const int *width;
};

/* Spaces are owed until text follows, so that no line ends in them. */
static void put(const char *text, int width, bool left, int *owed, FILE *out)
{
    int fill = larger(width - width_of(text), 0);
    const char *end = text + strlen(text);
    int blank = 0;
    while (end > text && end[-1] == ' ') end--, blank++;
    if (!left) *owed += fill;
    if (end == text) {
        *owed += blank + (left ? fill : 0);
        return;
    }
    fprintf(out, "%*s%.*s", *owed, "", (int)(end - text), text);
    *owed = blank + (left ? fill : 0);
}

static void print_label(const struct row *row, const struct panel *panel, int *owed, FILE *out)
{
    *owed = indent_of(row);
    put(row->label, panel->label - indent_of(row), true, owed, out);
    if (indent_of(row) + width_of(row->label) <= panel->label) return;
    fputc('\n', out);
    *owed = panel->label;
}

static void print_line(const struct table *table, const struct panel *panel, int row, int owed, FILE *out)
{
    for (int c = panel->first; c < panel->end; c++) {
        const struct table_column *column = &table->column[c];
        const char *text = row < 0 ? column->head : column->cell[row] ? column->cell[row] : "";
        owed += GAP;
        put(text, panel->width[c], column->left, &owed, out);
    }
    fputc('\n', out);
}

static void print_panel(const struct table *table, const struct panel *panel, FILE *out)
{
    int owed = panel->label;
    print_line(table, panel, -1, owed, out);
    for (int r = 0; r < table->rows->count; r++) {
        const struct row *row = &table->rows->row[r];
        if (row->dimension && row->value == 0) fprintf(out, "%s\n", row->dimension);
        print_label(row, panel, &owed, out);
        print_line(table, panel, r, owed, out);
    }
}

void table_print(const struct table *table, int columns, FILE *out)
{
    columns = larger(columns, NARROWEST);
    int *width = memory_array((size_t)table->columns, sizeof *width);
    int widest = 0;
    for (int c = 0; c < table->columns; c++) widest = larger(widest, width[c] = column_width(table, c));
    struct panel panel = {.label = label_width(table, columns, widest), .width = width};
    while (panel.first < table->columns) {
        int used = panel.label + GAP + width[panel.first];
        for (panel.end = panel.first + 1; panel.end < table->columns; panel.end++) {
            used += GAP + width[panel.end];
            if (used > columns) break;
        }
        if (panel.first > 0) fputc('\n', out);
        print_panel(table, &panel, out);
        panel.first = panel.end;
    }
    memory_free(width);
}
