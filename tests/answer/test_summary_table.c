/* Tables of text: columns beside each other as far as they fit, nothing lost where they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "answer_private.h"

static struct row row[] = {{NULL, 0, "all"}, {"size", 0, "nano"}, {"size", 1, "mini"}};
static const struct rows rows = {.row = row, .count = 3};

static void fill(struct table_column *column, const char *first, const char *second, const char *third)
{
    const char *const text[] = {first, second, third};
    for (int r = 0; r < 3; r++) column->cell[r] = memory_text(text[r]);
}

static char *printed(const struct table *table, int columns)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    table_print(table, columns, out);
    fclose(out);
    return text;
}

static struct table table_of_two(void)
{
    struct table table = {.rows = &rows};
    fill(table_add(&table, false, "mean"), "0.5", "0.25", "10.75");
    fill(table_add(&table, true, "picture of twenty-eight or so"), "--o--", NULL, "  o");
    return table;
}

static void columns_stand_beside_each_other_with_a_line_for_each_axis(void **context)
{
    (void)context;
    size_t blocks = memory_count().blocks;
    struct table table = table_of_two();
    char *text = printed(&table, 60);
    assert_string_equal(text, "         mean  picture of twenty-eight or so\n"
                              "all       0.5  --o--\n"
                              "size\n"
                              "  nano   0.25\n"
                              "  mini  10.75    o\n");
    free(text);
    table_reset(&table);
    assert_int_equal(memory_count().blocks, blocks);
}

static void what_does_not_fit_follows_with_the_labels_again(void **context)
{
    (void)context;
    struct table table = table_of_two();
    char *text = printed(&table, 43);
    assert_string_equal(text, "         mean\n"
                              "all       0.5\n"
                              "size\n"
                              "  nano   0.25\n"
                              "  mini  10.75\n"
                              "\n"
                              "        picture of twenty-eight or so\n"
                              "all     --o--\n"
                              "size\n"
                              "  nano\n"
                              "  mini    o\n");
    free(text);
    table_reset(&table);
}

static void a_label_that_is_too_long_has_a_line_of_its_own(void **context)
{
    (void)context;
    static struct row long_row[] = {{"pair", 0, "coordination_inversion>top_constituents"}};
    static const struct rows long_rows = {.row = long_row, .count = 1};
    struct table table = {.rows = &long_rows};
    struct table_column *column = table_add(&table, false, "mean");
    column->cell[0] = memory_text("0.5");
    char *text = printed(&table, 42);
    assert_string_equal(text, "                mean\n"
                              "pair\n"
                              "  coordination_inversion>top_constituents\n"
                              "                 0.5\n");
    free(text);
    table_reset(&table);
}

static void a_terminal_narrower_than_forty_is_taken_for_forty(void **context)
{
    (void)context;
    struct table table = table_of_two();
    char *narrow = printed(&table, 1), *forty = printed(&table, 40);
    assert_string_equal(narrow, forty);
    free(narrow);
    free(forty);
    table_reset(&table);
}

/* 29 letters and a gap leave 9 for the labels of 40 columns. */
static void labels_give_way_to_the_widest_column(void **context)
{
    (void)context;
    static struct row wide_row[] = {{"size", 0, "standard"}};
    static const struct rows wide_rows = {.row = wide_row, .count = 1};
    struct table table = {.rows = &wide_rows};
    struct table_column *column = table_add(&table, false, "mean");
    column->cell[0] = memory_text("-10.123 [-100.123,  -10.123]-");
    char *text = printed(&table, 40);
    assert_string_equal(text, "                                    mean\n"
                              "size\n"
                              "  standard\n"
                              "           -10.123 [-100.123,  -10.123]-\n");
    free(text);
    table_reset(&table);
}

static void running_text_is_broken_between_words(void **context)
{
    (void)context;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    text_print("nothing learnt, nothing  forgotten", 15, out);
    fclose(out);
    assert_string_equal(text, "nothing learnt,\nnothing\nforgotten\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_stand_beside_each_other_with_a_line_for_each_axis),
        cmocka_unit_test(what_does_not_fit_follows_with_the_labels_again),
        cmocka_unit_test(a_label_that_is_too_long_has_a_line_of_its_own),
        cmocka_unit_test(labels_give_way_to_the_widest_column),
        cmocka_unit_test(running_text_is_broken_between_words),
        cmocka_unit_test(a_terminal_narrower_than_forty_is_taken_for_forty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
