/* The table of settings: every scalar of a cell by its dotted path, with its type, range, default and meaning.
 * Everything that knows a setting (the sweep file's reader, axes, sizes, the results file, sweeps/README.md) knows it
 * from here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "palimpsest/spec.h"

#define LARGEST_COUNT 9007199254740992.0 /* 2^53: whole numbers up to here are exact as doubles */
#define MOST_TOKENS 1e15

/* ROW(path, type, scope, member of struct settings, default, least, most, choices, unit, meaning); ABOVE: the least
 * value itself is refused. */
#define ROW_OF(path, type, scope, member, standard, least, most, above, choices, unit, meaning)                        \
    {                                                                                                                  \
        path, SETTING_##type, SCOPE_##scope, offsetof(struct settings, member), standard, least, most, above, choices, \
            unit, meaning                                                                                              \
    }
#define ROW(path, type, scope, member, standard, least, most, choices, unit, meaning)                                  \
    ROW_OF(path, type, scope, member, standard, least, most, false, choices, unit, meaning)
#define ABOVE(path, type, scope, member, standard, least, most, choices, unit, meaning)                                \
    ROW_OF(path, type, scope, member, standard, least, most, true, choices, unit, meaning)

/* STANDARD(x) is x where a place has defaults of its own, and NULL where it inherits. */
#define GIVEN(standard) standard
#define INHERITED(standard) NULL

#define OPTIMIZER_ROWS(section, scope, member, STANDARD, rate, second_beta, decay)                                     \
    ROW(section ".learning_rate", REAL, scope, member.learning_rate, STANDARD(rate), 0, 1, NULL, "1",                  \
        "peak learning rate of AdamW"),                                                                                \
        ROW(section ".beta1", REAL, scope, member.beta1, STANDARD("0.9"), 0, 0.999999, NULL, "1",                      \
            "decay of AdamW's running mean of the gradient"),                                                          \
        ROW(section ".beta2", REAL, scope, member.beta2, STANDARD(second_beta), 0, 0.999999, NULL, "1",                \
            "decay of AdamW's running mean of the squared gradient"),                                                  \
        ABOVE(section ".epsilon", REAL, scope, member.epsilon, STANDARD("1e-08"), 0, 1, NULL, "1",                     \
              "added to the root of the squared gradient's mean"),                                                     \
        ROW(section ".weight_decay", REAL, scope, member.weight_decay, STANDARD(decay), 0, 1, NULL, "1",               \
            "decoupled weight decay, multiplied by the learning rate"),                                                \
        ROW(section ".clip", REAL, scope, member.clip, STANDARD("1"), 0, 1e6, NULL, "1",                               \
            "largest norm of the whole gradient; 0: no clipping"),                                                     \
        ROW(section ".bias_correction", FLAG, scope, member.bias_correction, STANDARD("yes"), 0, 1, NULL, "-",         \
            "AdamW's correction of its first steps (Mosbach et al. 2021 show what happens without)")

#define FINETUNE_ROWS(section, scope, member, STANDARD)                                                                \
    ROW(section ".batch", INTEGER, scope, member.batch, STANDARD("32"), 1, 65536, NULL, "items per step",              \
        "training items read in one step"),                                                                            \
        ROW(section ".steps", INTEGER, scope, member.steps, STANDARD("150"), 1, 1e9, NULL, "steps",                    \
            "optimiser steps on each task"),                                                                           \
        ROW(section ".warmup", REAL, scope, member.warmup, STANDARD("0.1"), 0, 1, NULL, "fraction of the steps",       \
            "linear warm-up; the rate then falls linearly to 0"),                                                      \
        ROW(section ".freeze", INTEGER, scope, member.freeze, STANDARD("0"), 0, LAYERS_MAX, NULL, "blocks",            \
            "embeddings and the first n blocks stay as they are; 0: everything is trained"),                           \
        OPTIMIZER_ROWS(section, scope, member.optimizer, STANDARD, "0.0005", "0.999", "0.01")

const struct setting settings_table[] = {
    ROW("model.objective", CHOICE, INITIAL, model.objective, "causal", 0, 1, "causal|masked", "-",
        "what pretraining predicts: the next token (decoder), or 15 % masked tokens (encoder)"),
    ROW("model.context", INTEGER, INITIAL, model.context, "64", 4, 4096, NULL, "tokens",
        "length of a training sequence; with tasks of the grammar at least 32"),
    ROW("model.layers", INTEGER, INITIAL, model.layers, "2", 1, LAYERS_MAX, NULL, "blocks", "transformer blocks"),
    ROW("model.width", INTEGER, INITIAL, model.width, "64", 4, 16384, NULL, "channels",
        "channels of the residual stream; a multiple of heads"),
    ROW("model.heads", INTEGER, INITIAL, model.heads, "4", 1, 1024, NULL, "heads", "attention heads of a block"),
    ROW("model.feed_forward", INTEGER, INITIAL, model.feed_forward, "4", 1, 16, NULL, "times width",
        "hidden channels of the feed-forward layers"),
    ROW("model.share_layers", FLAG, INITIAL, model.share_layers, "no", 0, 1, NULL, "-",
        "one block's weights used by all layers (ALBERT, Lan et al. 2020)"),
    ABOVE("model.initial_deviation", REAL, INITIAL, model.initial_deviation, "0.02", 0, 1, NULL, "1",
          "standard deviation of the initial weights"),

    ROW("pretrain.batch", INTEGER, PRETRAIN, pretrain.batch, "32", 1, 65536, NULL, "sequences per step",
        "sequences of context tokens read in one step"),
    ROW("pretrain.warmup", TOKENS, PRETRAIN, pretrain.warmup, "8Ki", 0, MOST_TOKENS, "none", "tokens",
        "linear warm-up, absolute: a fraction would tie short runs to long ones"),
    ROW("pretrain.unique", TOKENS, PRETRAIN, pretrain.unique, "same", 1, MOST_TOKENS, "same", "tokens",
        "tokens read before they repeat, whatever the variety; same: as many as the amount, none repeats"),
    ROW("pretrain.cooldown", SPAN, PRETRAIN, pretrain.cooldown, "0.2", 0, 1, NULL, "fraction of the amount, or tokens",
        "final part of the amount over which the learning rate falls to 0"),
    OPTIMIZER_ROWS("pretrain", PRETRAIN, pretrain.optimizer, GIVEN, "0.002", "0.95", "0.1"),

    FINETUNE_ROWS("finetune", FIRST, first, GIVEN),
    FINETUNE_ROWS("finetune.second", SECOND, second, INHERITED),
    ROW("finetune.head", CHOICE, FIRST, head, "per_task", 0, 2, "per_task|shared|lm", "-",
        "linear per task, one linear for all tasks, or label words through the language-model head"),
    ROW("finetune.pool", CHOICE, FIRST, pool, "last", 0, 1, "last|mean", "-",
        "what a linear head reads: the last token, or the mean over tokens"),
    ROW("finetune.layers", INTEGER, FIRST, read_layers, "0", 0, LAYERS_MAX, NULL, "blocks",
        "the head reads what comes out of the first n blocks; those above are left out and stay as they are; 0: all"),
    ROW("finetune.train_items", TOKENS, FIRST, train_items, "all", 1, 1e9, "all", "items",
        "training items of each task that are used"),

    ROW("evaluate.items", TOKENS, EVALUATE, evaluate.items, "500", 1, 1e9, NULL, "items",
        "test items of each task that are scored, at most all there are"),
    ROW("evaluate.tokens", TOKENS, EVALUATE, evaluate.tokens, "4Ki", 4, 1e9, NULL, "tokens",
        "tokens of each reference domain on which the language-modelling loss is measured"),

    ROW("mediators.draws", INTEGER, EVALUATE, mediators.draws, "1", 1, 1024, NULL, "draws",
        "draws of weight noise that the losses under noise are the mean of; each seed has its own"),
    ROW("mediators.items", TOKENS, EVALUATE, mediators.items, "256", 1, 1e9, NULL, "items",
        "training items of each task whose gradients are compared, at most all there are"),
    ROW("codelength.first", TOKENS, EVALUATE, codelength.first, "32", 1, 1e9, NULL, "items",
        "training items of the first block, whose labels cost log2(classes) bits each"),
    ABOVE("codelength.growth", REAL, EVALUATE, codelength.growth, "2", 1, 1e6, NULL, "1",
          "how many times as many items the blocks so far hold from one block to the next"),
    ROW("codelength.steps", INTEGER, EVALUATE, codelength.steps, "50", 1, 1e9, NULL, "steps",
        "optimiser steps on the blocks so far before the next one is coded"),
    ROW("evaluate.looks", INTEGER, EVALUATE, evaluate.looks, "8", 1, LOOKS_MAX, NULL, "looks",
        "how often frontier and recovery look at a training after its start: denser early, the last at its end"),

    ABOVE("frontier.success", REAL, EVALUATE, frontier.success, "0.5", 0, 1, NULL, "share of what is above chance",
          "accuracy on the last task at which forgetting_equal_success is read"),
    ROW("recovery.steps", INTEGER, EVALUATE, recovery.steps, "150", 1, 1e9, NULL, "steps",
        "optimiser steps for which pretraining is continued"),
    ROW("recovery.warmup", REAL, EVALUATE, recovery.warmup, "0.1", 0, 1, NULL, "fraction of the steps",
        "linear warm-up of continued pretraining; the rate is constant then"),
    ROW("recovery.learning_rate", REAL, EVALUATE, recovery.learning_rate, "0.001", 0, 1, NULL, "1",
        "peak learning rate of continued pretraining; all else is as in pretrain"),
    ROW("recovery.within", REAL, EVALUATE, recovery.within, "0.1", 0, 0.999999, NULL, "share of what was learnt",
        "what may be missing still when a task or the language-modelling loss counts as recovered"),
    ROW("probes.items", TOKENS, EVALUATE, probes.items, "1000", 1, 1e6, NULL, "items",
        "training items of each task that linear probes are fitted on, and development items by which their strength "
        "is "
        "chosen, at most all there are"),
    ROW("similarity.stimuli", INTEGER, EVALUATE, similarity.stimuli, "256", 2, 16384, NULL, "windows",
        "reference windows, from all domains in turn, on which a state is compared with the pretrained one"),
};
const int settings_count = sizeof settings_table / sizeof settings_table[0];

int setting_find(const char *path)
{
    for (int row = 0; row < settings_count; row++)
        if (strcmp(settings_table[row].path, path) == 0) return row;
    return -1;
}

/* ---- numbers ---- */

/* The decimal number at the start of text; *rest is what follows.  No hexadecimal ("0x10"), no inf, no nan. */
static bool number_start(const char *text, double *value, const char **rest)
{
    char digits[64];
    size_t length = strspn(text, "+-.0123456789eE");
    if (length == 0 || length >= sizeof digits) return false;
    memcpy(digits, text, length);
    digits[length] = 0;
    char *end;
    *value = strtod(digits, &end);
    *rest = text + length;
    return *end == 0 && isfinite(*value);
}

static bool number_read(const char *text, double *value)
{
    const char *rest;
    return number_start(text, value, &rest) && *rest == 0;
}

static bool integer_read(const char *text, double *value)
{
    size_t sign = text[0] == '-' || text[0] == '+';
    return text[sign] != 0 && text[sign + strspn(text + sign, "0123456789")] == 0 && number_read(text, value);
}

/* 1 for no suffix, 0 for one that is not known. */
static double suffix_factor(const char *suffix)
{
    static const struct {
        const char *text;
        double factor;
    } known[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].text, suffix) == 0) return known[i].factor;
    return 0;
}

static bool is_whole(double value) { return value >= 0 && value <= LARGEST_COUNT && value == floor(value); }

/* A count with or without a suffix; 1.5Ki is one (1536), 1.0001k is not. */
static bool count_read(const char *text, double *value, bool *suffixed)
{
    const char *suffix;
    if (!number_start(text, value, &suffix)) return false;
    double factor = suffix_factor(suffix);
    *suffixed = *suffix != 0;
    *value *= factor;
    return factor > 0 && is_whole(*value);
}

static void real_print(double value, char *text, size_t size)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, value);
        if (strtod(text, NULL) == value) return;
    }
}

static void count_print(double value, char *text, size_t size)
{
    static const char *const suffixes[] = {"", "Ki", "Mi", "Gi"};
    int power = 0;
    while (power < 3 && value >= 1024 && fmod(value, 1024) == 0) {
        value /= 1024;
        power++;
    }
    snprintf(text, size, "%.0f%s", value, suffixes[power]);
}

/* ---- words ---- */

/* Number of the word in "a|b|c", or -1. */
static int choice_of(const char *choices, const char *word)
{
    size_t length = strlen(word);
    int number = 0;
    for (const char *at = choices; length > 0; number++) {
        size_t span = strcspn(at, "|");
        if (span == length && memcmp(at, word, length) == 0) return number;
        if (at[span] == 0) break;
        at += span + 1;
    }
    return -1;
}

static void choice_print(const char *choices, int64_t number, char *text, size_t size)
{
    const char *at = choices;
    for (int64_t i = 0; i < number; i++) at += strcspn(at, "|") + 1;
    snprintf(text, size, "%.*s", (int)strcspn(at, "|"), at);
}

static int flag_of(const char *word)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};
    for (int i = 0; i < 6; i++)
        if (strcmp(words[i], word) == 0) return i % 2;
    return -1;
}

/* "a|b|c" as "a, b or c" */
static void choices_as_words(const char *choices, char *text, size_t size)
{
    size_t used = 0;
    for (const char *at = choices; used < size;) {
        size_t span = strcspn(at, "|");
        bool last = at[span] == 0;
        const char *joint = at == choices ? "" : last ? " or " : ", ";
        used += (size_t)snprintf(text + used, size - used, "%s%.*s", joint, (int)span, at);
        if (last) return;
        at += span + 1;
    }
}

/* ---- one setting ---- */

static void range_words(const struct setting *setting, const char *what, char *text, size_t size)
{
    char least[32], most[32];
    real_print(setting->minimum, least, sizeof least);
    real_print(setting->maximum, most, sizeof most);
    if (setting->above_minimum)
        snprintf(text, size, "%s above %s, at most %s", what, least, most);
    else
        snprintf(text, size, "%s from %s to %s", what, least, most);
}

void setting_range(int row, char *text, size_t size)
{
    const struct setting *setting = &settings_table[row];
    size_t used;
    switch (setting->type) {
    case SETTING_INTEGER: range_words(setting, "a whole number", text, size); break;
    case SETTING_REAL: range_words(setting, "a number", text, size); break;
    case SETTING_FLAG: snprintf(text, size, "yes or no"); break;
    case SETTING_CHOICE: choices_as_words(setting->choices, text, size); break;
    case SETTING_SPAN: snprintf(text, size, "a fraction from 0 to 1, or a count such as 16Ki"); break;
    case SETTING_TOKENS:
        range_words(setting, "a count such as 500, 8Ki or 1M", text, size);
        used = strlen(text);
        if (setting->choices) snprintf(text + used, size - used, ", or %s", setting->choices);
        break;
    }
}

/* A plain number up to 1 is a fraction; anything larger, or with a suffix, is tokens.  One token cannot be said, so
 * that what is printed is always read back as the same. */
static bool span_read(const char *text, struct span *span)
{
    bool suffixed;
    if (number_read(text, &span->value) && span->value <= 1) {
        span->in_tokens = false;
        return true;
    }
    span->in_tokens = true;
    return count_read(text, &span->value, &suffixed) && span->value >= 2 && span->value <= MOST_TOKENS;
}

/* false: the text is nothing that this type of setting can be; *number is what the range is checked on. */
static bool value_read(const struct setting *setting, const char *text, union setting_value *value, double *number)
{
    bool readable = false, suffixed;
    switch (setting->type) {
    case SETTING_INTEGER: readable = integer_read(text, number); break;
    case SETTING_TOKENS: readable = count_read(text, number, &suffixed); break;
    case SETTING_REAL: readable = number_read(text, number); break;
    case SETTING_FLAG: *number = flag_of(text); return value->integer = (int64_t)*number, *number >= 0;
    case SETTING_CHOICE:
        *number = choice_of(setting->choices, text);
        return value->integer = (int64_t)*number, *number >= 0;
    case SETTING_SPAN:
        readable = span_read(text, &value->span);
        *number = value->span.in_tokens ? setting->maximum : value->span.value;
        return readable;
    }
    if (!readable) return false;
    if (setting->type == SETTING_REAL)
        value->real = *number;
    else if (fabs(*number) <= LARGEST_COUNT)
        value->integer = (int64_t)*number;
    return true;
}

static bool in_range(const struct setting *setting, double number)
{
    if (setting->above_minimum && number == setting->minimum) return false;
    return number >= setting->minimum && number <= setting->maximum;
}

int setting_read(int row, const char *text, union setting_value *value, char *why, size_t size)
{
    const struct setting *setting = &settings_table[row];
    union setting_value found = {0};
    double number = 0;
    if (setting->type == SETTING_TOKENS && setting->choices && strcmp(text, setting->choices) == 0) {
        value->integer = 0;
        return 0;
    }
    bool readable = value_read(setting, text, &found, &number);
    if (readable && in_range(setting, number)) {
        *value = found;
        return 0;
    }
    char range[128];
    setting_range(row, range, sizeof range);
    snprintf(why, size, "\"%.40s\" is %s; it must be %s", text, readable ? "out of range" : "not understood", range);
    return -1;
}

void setting_assign(int row, union setting_value value, struct settings *settings)
{
    const struct setting *setting = &settings_table[row];
    char *at = (char *)settings + setting->offset;
    if (setting->type == SETTING_REAL)
        *(double *)at = value.real;
    else if (setting->type == SETTING_SPAN)
        *(struct span *)at = value.span;
    else
        *(int64_t *)at = value.integer;
}

static union setting_value value_at(const struct setting *setting, size_t offset, const struct settings *settings)
{
    const char *at = (const char *)settings + offset;
    union setting_value value = {0};
    if (setting->type == SETTING_REAL)
        value.real = *(const double *)at;
    else if (setting->type == SETTING_SPAN)
        value.span = *(const struct span *)at;
    else
        value.integer = *(const int64_t *)at;
    return value;
}

union setting_value setting_of(int row, const struct settings *settings)
{
    return value_at(&settings_table[row], settings_table[row].offset, settings);
}

void setting_print(int row, const struct settings *settings, char *text, size_t size)
{
    const struct setting *setting = &settings_table[row];
    union setting_value value = setting_of(row, settings);
    switch (setting->type) {
    case SETTING_INTEGER: snprintf(text, size, "%lld", (long long)value.integer); break;
    case SETTING_REAL: real_print(value.real, text, size); break;
    case SETTING_FLAG: snprintf(text, size, "%s", value.integer ? "yes" : "no"); break;
    case SETTING_CHOICE: choice_print(setting->choices, value.integer, text, size); break;
    case SETTING_SPAN: (value.span.in_tokens ? count_print : real_print)(value.span.value, text, size); break;
    case SETTING_TOKENS:
        if (value.integer == 0 && setting->choices)
            snprintf(text, size, "%s", setting->choices);
        else
            count_print((double)value.integer, text, size);
        break;
    }
}

/* ---- all settings ---- */

void settings_inherit_second(struct settings *settings, const bool *set)
{
    const size_t distance = offsetof(struct settings, second) - offsetof(struct settings, first);
    for (int row = 0; row < settings_count; row++) {
        const struct setting *setting = &settings_table[row];
        if (setting->standard || (set && set[row])) continue;
        setting_assign(row, value_at(setting, setting->offset - distance, settings), settings);
    }
}

void settings_standard(struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    for (int row = 0; row < settings_count; row++) {
        const char *standard = settings_table[row].standard;
        union setting_value value;
        char why[256];
        if (!standard) continue;
        CHECK(setting_read(row, standard, &value, why, sizeof why) == 0, "default of %s: %s", settings_table[row].path,
              why);
        setting_assign(row, value, settings);
    }
    settings_inherit_second(settings, NULL);
}

/* ---- amounts of pretraining ---- */

int amount_read(const char *text, struct amount *amount, char *why, size_t size)
{
    const char *suffix;
    double value;
    bool suffixed;
    if (number_start(text, &value, &suffix) && strcmp(suffix, "x") == 0 && value >= 0 && value <= 1e9) {
        *amount = (struct amount){.value = value, .relative = value > 0}; /* 0x is the untrained control, as 0 is */
        return 0;
    }
    if (count_read(text, &value, &suffixed) && value <= MOST_TOKENS) {
        *amount = (struct amount){.value = value};
        return 0;
    }
    snprintf(why, size,
             "\"%.40s\" is not an amount; write tokens (0, 65536, 64Ki, 1M) or multiples of the parameters (20x)",
             text);
    return -1;
}
