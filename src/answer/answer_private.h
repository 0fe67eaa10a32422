/* answer, inside: a variable with what is known of its places, estimates along its dimensions, and tables of text. */
#ifndef PALIMPSEST_ANSWER_PRIVATE_H
#define PALIMPSEST_ANSWER_PRIVATE_H

#include "palimpsest/answer.h"
#include "palimpsest/spec.h"

#define LEVEL 0.95
enum { METRIC_NAME_BYTES = 128 };

/* ---- metric.c: a variable, and why a number of it is not there ---- */

/* X(name, the word in a CSV, what it means) */
#define PRESENCES(X)                                                                                                   \
    X(PRESENT, "present", "numbers that are there and were averaged")                                                  \
    X(MISSING, "missing", "missing by definition: the stage is done and has nothing to say (nothing was learnt)")      \
    X(FAILED, "failed", "the stage failed, diverged, or was skipped after a failure")                                  \
    X(PENDING, "pending", "the stage has not ended yet")                                                               \
    X(EXCLUDED, "excluded", "no cell of the sweep asks for it")
#define PRESENCE_ENUM(name, word, meaning) name,
enum presence { PRESENCES(PRESENCE_ENUM) PRESENCE_COUNT };
#undef PRESENCE_ENUM

struct metric {
    char name[METRIC_NAME_BYTES];
    struct variable variable;
    unsigned char *presence; /* [variable.count]: enum presence */
};
/* ERROR_INPUT: no variable of that name (the nearest is named), or one without seeds. */
int metric_read(struct store_reader *reader, const char *name, struct metric *metric, struct error *err);
void metric_reset(struct metric *metric);
int metric_check(struct store_reader *reader, const char *name, struct error *err); /* refuses as metric_read does */
/* presence[variable->count].  status: of the stages behind it, along the first dimensions of the variable; NULL: they
 * are not stages' numbers. */
void presence_of(const struct variable *variable, const struct variable *status, unsigned char *presence);
int dimension_find(const struct variable *variable, const char *name); /* -1: none; NULL is none */
int64_t dimension_index(const struct variable *variable, int dimension, int64_t place);

/* ---- estimate.c: rows of a table, and what a metric is in each ---- */

struct row {
    const char *dimension; /* NULL: everything */
    int value;             /* index along it */
    const char *label;
};
struct axis_labels {
    char name[NAME_MAX_BYTES];
    char **label;
    int count;
};
struct hidden_axis {
    const char *name; /* borrowed from the variable; NULL: there is none */
    int64_t values;
};
struct rows {
    struct row *row;
    int count;
    size_t capacity;
    struct axis_labels *axis; /* [axes]: what rows borrow from */
    int axes;
    struct hidden_axis hidden; /* too long to be shown unasked */
};
/* A row over everything, and rows along one dimension of the variable, or (by NULL) along all that have from two values
 * to 40, or any number of them if `whole`.  ERROR_INPUT: it has no such dimension. */
int rows_read(struct store_reader *reader, const struct variable *variable, const char *by, bool whole,
              struct rows *rows, struct error *err);
void rows_reset(struct rows *rows);

struct estimate {
    bool applies;           /* the metric has the row's dimension */
    struct interval value;  /* over seeds */
    struct interval change; /* from the row above, in the same places; where order means something */
    int64_t compared;       /* places behind the change */
    int64_t count[PRESENCE_COUNT];
    double sum; /* of the numbers present */
};
/* estimate[rows->count]: memory_free. */
struct estimate *estimate_rows(const struct metric *metric, const struct rows *rows);

/* ---- summary_table.c: running text, and columns of text, folded into panels where they do not fit ---- */

enum { HEAD_BYTES = 64, NARROWEST = 40 };
struct table_column {
    char head[HEAD_BYTES];
    bool left;   /* aligned; else right */
    char **cell; /* [rows]; NULL: empty */
};
struct table {
    const struct rows *rows;
    struct table_column *column;
    int columns;
    size_t capacity;
};
/* A new column with empty cells; valid until the next is added. */
struct table_column *table_add(struct table *table, bool left, const char *head);
/* Prints all columns, as many beside each other as fit; `columns` below NARROWEST count as that. */
void table_print(const struct table *table, int columns, FILE *out);
void table_reset(struct table *table);
/* Running text: words in lines of at most so many columns. */
void text_print(const char *text, int columns, FILE *out);

/* ---- strip.c: an interval as a picture in one line ---- */

struct scale {
    double low, high;
};
/* What a strip shows of rows: their means, and of their intervals as much as leaves the means apart. */
struct scale scale_of(const struct estimate *estimate, int count);
/* Fills text[width + 1]: o the mean, --- the interval, | zero, < and > an end beyond the scale. */
void strip_draw(const struct scale *scale, const struct interval *interval, int width, char *text);
/* Digits after the point with which values up to `largest` are told apart. */
int decimals_for(double largest);

/* ---- sections.c: the tables ---- */

int sections_print(struct store_reader *reader, const struct answer_request *request, const struct rows *rows,
                   FILE *out, struct error *err);

/* ---- csv.c ---- */

void csv_text(const char *text, FILE *out); /* in quotes where it needs them */
void csv_number(double number, FILE *out);  /* reads back as the same number; nothing for NaN */
int csv_print(struct store_reader *reader, const struct answer_request *request, const struct rows *rows, FILE *out,
              struct error *err);

/* ---- summary.c ---- */

/* The metrics that are shown when none is asked for, as far as the file has them: name[*count], memory_free all. */
void usual_metrics(struct store_reader *reader, char ***name, int *count);
bool variable_is_there(struct store_reader *reader, const char *name);
int last_place_of(struct store_reader *reader); /* of the longest sequence: 1 for pairs; 0: no second task */

#endif
