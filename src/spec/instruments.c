/* Names of instruments and dimensions, and the table of branches. */
#include "palimpsest/spec.h"

#define WORD_OF(word, name) word,
static const char *const instrument_words[] = {INSTRUMENTS(WORD_OF)};
static const char *const dimension_words[] = {DIMENSIONS(WORD_OF)};

const double noise_scales[NOISE_SCALES] = {0.1, 0.2, 0.4, 0.8};

const char *instrument_name(enum instrument instrument) { return instrument_words[instrument]; }
bool instrument_always(enum instrument instrument) { return instrument <= INSTRUMENT_STABILITY; }
const char *dimension_name(enum dimension dimension) { return dimension_words[dimension]; }

const struct branch_rule branches_table[BRANCHES] = {
    [BRANCH_ALONE] = {.name = "alone",
                      .meaning = "the last task learnt from the pretrained state",
                      .instrument = INSTRUMENT_TRANSFER,
                      .from = FROM_PRETRAINED,
                      .per = PER_LAST_TASK,
                      .second = true,
                      .bare = true},
    [BRANCH_TRANSFER] = {.name = "transfer",
                         .meaning = "the last task of a sequence beside the same task alone",
                         .instrument = INSTRUMENT_TRANSFER,
                         .from = FROM_LAST,
                         .per = PER_SEQUENCE,
                         .second = true,
                         .bare = true,
                         .needs = 1,
                         .need = {BRANCH_ALONE}},
};
