/* The decision rules that are fixed before the run, and the instruments that are switched on. */
#include <stdio.h>
#include <string.h>

#include "config_private.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))
#define CLAIM(name, axis, outcome, statistic, direction)                                                               \
    {                                                                                                                  \
        name, axis, outcome, statistic, direction, "", 0.05, 0.02, 5                                                   \
    }

/* Each hypothesis of the field as a rule; the fourth fails when anything but the loss still explains the outcome. */
static const struct claim standard_claims[] = {
    CLAIM("larger_forgets_less", "size", "forgetting", "slope_per_doubling", "down"),
    CLAIM("longer_forgets_less", "tokens", "forgetting", "slope_per_doubling", "down"),
    CLAIM("more_varied_forgets_less", "variety", "forgetting", "slope_per_doubling", "down"),
    CLAIM("lm_loss_is_enough", "all", "forgetting", "residual_given_lm_loss", "none"),
};
static const char *const claim_keys[] = {"axis",    "outcome", "statistic",   "direction",
                                         "reading", "alpha",   "equivalence", "minimum_seeds"};
static const char *const statistics[] = {"slope_per_doubling", "last_minus_first", "residual_given_lm_loss"};
static const char *const directions[] = {"down", "up", "none"};
enum { EQUAL_SUCCESS, SAME_TRAINING };
static const char *const readings[] = {"equal_success", "same_training"};

/* Values of the axis that a claim can be about: 0 when there is no axis of that name. */
static int axis_values(const struct sweep *sweep, const char *name)
{
    for (int a = 0; a < sweep->axis_count; a++) {
        if (strcmp(sweep->axes[a].name, name) == 0) return sweep->axes[a].length;
        for (int m = 0; m < sweep->axes[a].member_count; m++)
            if (strcmp(sweep->axes[a].members[m].name, name) == 0) return sweep->axes[a].length;
    }
    return 0;
}

static struct claim *claim_add(struct reader *reader, const struct claim *like)
{
    struct sweep *sweep = reader->sweep;
    sweep->claims =
        memory_grow(sweep->claims, &reader->claim_capacity, (size_t)sweep->claim_count + 1, sizeof *sweep->claims);
    sweep->claims[sweep->claim_count] = *like;
    return &sweep->claims[sweep->claim_count++];
}

static void resolve_claim(struct reader *reader, const struct claim *claim, const struct node *node)
{
    char key[KEY_TEXT];
    snprintf(key, sizeof key, "claims.%s", claim->name);
    resolve(reader, key, node, "-",
            "axis %s, outcome %s, statistic %s, direction %s, reading %s, alpha %g, equivalence %g, minimum_seeds %d",
            claim->axis, claim->outcome, claim->statistic, claim->direction, claim->reading, claim->alpha,
            claim->equivalence, claim->minimum_seeds);
}

/* Why a claim cannot be judged where the last task is learnt equally well; NULL: it can. */
static const char *no_equal_success(const struct sweep *sweep, const struct claim *claim)
{
    if (!instrument_on(sweep->instruments, INSTRUMENT_FRONTIER))
        return "it needs the instrument frontier, which is off; add it to measure";
    if (strcmp(claim->statistic, "residual_given_lm_loss") == 0)
        return "residual_given_lm_loss takes the outcome as it is stored; name the outcome forgetting_equal_success";
    if (strcmp(claim->outcome, "forgetting") != 0 && strcmp(claim->outcome, "forgetting_drop") != 0)
        return "only forgetting and forgetting_drop are read so";
    return NULL;
}

/* A claim is read at equal success wherever that can be told from the results. */
static void default_reading(const struct sweep *sweep, struct claim *claim)
{
    if (claim->reading[0]) return;
    snprintf(claim->reading, sizeof claim->reading, "%s",
             readings[no_equal_success(sweep, claim) ? SAME_TRAINING : EQUAL_SUCCESS]);
}

/* The default claims about what this sweep varies. */
static void add_standard(struct reader *reader)
{
    for (int i = 0; i < COUNT(standard_claims); i++) {
        const struct claim *claim = &standard_claims[i];
        if (strcmp(claim->axis, "all") != 0 && axis_values(reader->sweep, claim->axis) < 2) continue;
        struct claim *added = claim_add(reader, claim);
        default_reading(reader->sweep, added);
        resolve_claim(reader, added, NULL);
    }
}

/* ---- one claim of the file ---- */

static void read_word(struct reader *reader, const struct node *node, const char *const *words, int count, char *out)
{
    int chosen;
    if (node && read_choice(reader, node, words, count, &chosen)) snprintf(out, NAME_MAX_BYTES, "%s", words[chosen]);
}

static void read_claim_axis(struct reader *reader, const struct entry *entry, char *axis)
{
    const struct sweep *sweep = reader->sweep;
    const struct node *node = node_get(entry->value, "axis");
    const char *known[AXES_MAX + 1];
    char text[QUOTED], help[KEY_TEXT];
    int count = 0;
    if (!node && !*axis) complain_node(reader, entry->value, "axis is missing; name the axis the claim is about");
    if (!node || !read_name(reader, node, axis) || reader->axes_unsure || strcmp(axis, "all") == 0) return;
    int values = axis_values(sweep, axis);
    for (int a = 0; a < sweep->axis_count; a++) known[count++] = sweep->axes[a].name;
    if (values == 0)
        complain_node(reader, node, "%s is not an axis of this sweep%s", quoted(axis, text),
                      suggestion(axis, known, count, help));
    else if (values == 1)
        complain_node(reader, node, "the axis %s has one value; a claim about it needs at least two", axis);
}

static void read_outcome(struct reader *reader, const struct node *node, char *outcome)
{
    const char *known[FIELD_COUNT];
    int count = 0;
    for (int f = 0; f < FIELD_COUNT; f++)
        if (fields_table[f].groups & 1u << GROUP_OUTCOME) known[count++] = fields_table[f].name;
    read_word(reader, node, known, count, outcome);
    for (int f = 0; node && f < FIELD_COUNT; f++) {
        const char *instrument = instrument_name(fields_table[f].instrument);
        bool on = instrument_on(reader->sweep->instruments, fields_table[f].instrument);
        if (!on && strcmp(fields_table[f].name, outcome) == 0)
            complain_node(reader, node, "%s is measured by the instrument %s, which is off; add it to measure", outcome,
                          instrument);
    }
}

/* After outcome and statistic, on which it depends. */
static void read_reading(struct reader *reader, const struct node *node, struct claim *claim)
{
    read_word(reader, node, readings, COUNT(readings), claim->reading);
    const char *trouble = no_equal_success(reader->sweep, claim);
    if (node && trouble && strcmp(claim->reading, readings[EQUAL_SUCCESS]) == 0)
        complain_node(reader, node, "equal_success: %s", trouble);
    default_reading(reader->sweep, claim);
}

static void read_numbers(struct reader *reader, const struct node *map, struct claim *claim)
{
    const struct node *alpha = node_get(map, "alpha"), *equivalence = node_get(map, "equivalence"),
                      *seeds = node_get(map, "minimum_seeds");
    int64_t minimum = claim->minimum_seeds;
    if (alpha) read_real(reader, alpha, 1e-6, 0.5, &claim->alpha);
    if (equivalence) read_real(reader, equivalence, 0, 1, &claim->equivalence);
    if (seeds) read_integer(reader, seeds, 2, 1000000, &minimum);
    claim->minimum_seeds = (int)minimum;
}

static void read_claim(struct reader *reader, const struct entry *entry)
{
    struct claim claim = CLAIM("", "", "forgetting", "slope_per_doubling", "down");
    for (int i = 0; i < COUNT(standard_claims); i++)
        if (strcmp(standard_claims[i].name, entry->key) == 0) claim = standard_claims[i];
    if (!check_name(reader, entry->value, entry->mark, entry->key)) return;
    if (!expect_map(reader, entry->value, "{axis: size, outcome: forgetting, direction: down}")) return;
    snprintf(claim.name, sizeof claim.name, "%s", entry->key);
    check_keys(reader, entry->value, claim_keys, COUNT(claim_keys));
    read_claim_axis(reader, entry, claim.axis);
    read_outcome(reader, node_get(entry->value, "outcome"), claim.outcome);
    read_word(reader, node_get(entry->value, "statistic"), statistics, COUNT(statistics), claim.statistic);
    read_word(reader, node_get(entry->value, "direction"), directions, COUNT(directions), claim.direction);
    read_reading(reader, node_get(entry->value, "reading"), &claim);
    read_numbers(reader, entry->value, &claim);
    resolve_claim(reader, claim_add(reader, &claim), entry->value);
}

void read_claims(struct reader *reader)
{
    const struct node *claims = node_get(reader->root, "claims");
    if (!claims) {
        add_standard(reader);
        return;
    }
    if (!expect_map(reader, claims, "{larger_forgets_less: {axis: size, direction: down}}")) return;
    for (int i = 0; i < claims->count; i++) read_claim(reader, &claims->entries[i]);
}
