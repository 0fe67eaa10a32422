/* The table of instruments: what each measures, in which groups of variables, and by which formula.  Everything that
 * knows a field (its length, its place in a record, its variable's name and attributes) knows it from here. */
#include <stdio.h>

#include "palimpsest/spec.h"

#define STATUS_WORD(name, word) [name] = word,
static const char *const status_words[] = {STAGE_STATUSES(STATUS_WORD)};
static const char *const kind_words[] = {[STAGE_INITIAL] = "initial",
                                         [STAGE_TRUNK] = "trunk",
                                         [STAGE_COOLDOWN] = "cooldown",
                                         [STAGE_FINETUNE] = "fine-tuning",
                                         [STAGE_BRANCH] = "branch"};
static const char *const place_words[PLACES_MAX] = {"first", "second", "third",   "fourth",
                                                    "fifth", "sixth",  "seventh", "eighth"};
const char *stage_kind_name(enum stage_kind kind) { return kind_words[kind]; }
const char *stage_status_name(enum stage_status status) { return status_words[status]; }
const char *place_name(int place) { return place_words[place]; }

const char *group_name(int group)
{
    if (group == GROUP_INITIAL) return "initial";
    if (group == GROUP_PRETRAINED) return "pretrained";
    if (group >= GROUP_BRANCH) return branches_table[group - GROUP_BRANCH].name;
    return group == GROUP_OUTCOME ? "outcome" : place_words[group - GROUP_PLACE];
}

#define BIT(group) (1u << (group))
#define INITIAL BIT(GROUP_INITIAL)
#define PRETRAINED BIT(GROUP_PRETRAINED)
#define PLACES (((1u << PLACES_MAX) - 1) << GROUP_PLACE)
#define OUTCOME BIT(GROUP_OUTCOME)
#define BRANCH(name) BIT(GROUP_BRANCH + BRANCH_##name)

/* dimensions, dimension[], parts */
#define ONE 0, {0}, PART_ONE
#define EACH_PLACE 0, {0}, PART_PLACES
#define EACH_EARLIER 0, {0}, PART_EARLIER
#define EACH_EARLIER_ALONG(name) 1, {DIMENSION_##name}, PART_EARLIER
#define ALONG(name) 1, {DIMENSION_##name}, PART_ONE

#define NATS "nats per token"
#define COSINE                                                                                                         \
    "<g, h> / (||g|| ||h||); g, h: gradients of the mean loss over the first mediators.items training items of each "  \
    "task, read out through its label words; "
#define COSINE_SOURCE "Riemer et al. 2019; Yu et al. 2020"
#define CHANCE "items (1 - a) (1 - b) / (classes - 1), a and b: accuracies at the start of this place and now"
#define R_KEY "R[s][j]: accuracy on the task of place j after stage s; k: the last place"

const struct field fields_table[FIELD_COUNT] = {
    {FIELD_LM_LOSS, INSTRUMENT_SCORES, "lm_loss", ALONG(DOMAIN), INITIAL | PRETRAINED | PLACES, NATS,
     "language-modelling loss on the fixed reference windows of each domain",
     "mean over tokens of -log p(token | tokens before it in the window)", "Kaplan et al. 2020"},
    {FIELD_ACCURACY, INSTRUMENT_SCORES, "accuracy", EACH_PLACE, PLACES, "1", "accuracy on the test items of a task",
     "correct / items", "R in Lopez-Paz and Ranzato 2017"},
    {FIELD_LOSS, INSTRUMENT_SCORES, "loss", EACH_PLACE, PLACES, "nats", "cross-entropy on the test items of a task",
     "mean over items of -log p(true label)", "-"},
    {FIELD_LOG_ODDS, INSTRUMENT_SCORES, "log_odds", EACH_PLACE, PLACES, "nats",
     "log-odds of the true label on the test items of a task", "mean over items of log(p / (1 - p)), p = p(true label)",
     "-"},
    {FIELD_FAILED_RUN, INSTRUMENT_STABILITY, "failed_run", ONE, PLACES, "1",
     "1 where the task just trained was not learnt better than its majority class, else 0",
     "1 when P(X >= correct) > 0.05 for X ~ Binomial(items, majority share)", "Mosbach et al. 2021"},
    {FIELD_LM_RISE, INSTRUMENT_RETENTION, "lm_rise", ONE, PLACES, NATS,
     "rise of the language-modelling loss since pretraining",
     "mean over reference domains of lm_loss - pretrained_lm_loss", "Bethune et al. 2025"},
    {FIELD_LM_PROGRESS_LOST, INSTRUMENT_RETENTION, "lm_progress_lost", ONE, PLACES, "1",
     "fraction of pretraining's progress on language modelling that is lost",
     "(L - L_pretrained) / (L_initial - L_pretrained), L: mean lm_loss over reference domains; missing at amount 0",
     "after Bethune et al. 2025"},
    {FIELD_DISPLACEMENT, INSTRUMENT_STABILITY, "displacement", ALONG(LAYER), PLACES, "1",
     "distance of each layer's weights from the pretrained ones, relative", "||W - W_pretrained|| / ||W_pretrained||",
     "Merchant et al. 2020"},
    {FIELD_GRADIENT_NORM, INSTRUMENT_STABILITY, "gradient_norm", ALONG(LAYER), PRETRAINED | PLACES, "1",
     "norm of each layer's gradient before clipping, mean over the training steps", "mean over steps of ||dL/dW||",
     "Mosbach et al. 2021"},
    {FIELD_CURVE_LOSS, INSTRUMENT_CURVES, "curve_loss", ALONG(POINT), PRETRAINED | PLACES, "nats",
     "learning curve: training loss, mean over the steps up to each point since the point before",
     "mean over steps point[i-1] + 1 .. point[i] of the batch loss", "-"},
    {FIELD_FORGETTING, INSTRUMENT_FORGETTING, "forgetting", ONE, OUTCOME, "1",
     "share of what was learnt above chance that is gone after the last task",
     "mean over j < k, j learnt (R[j][j] - chance > 3 standard errors), of (R[j][j] - R[k][j]) / (R[j][j] - chance); "
     "missing where nothing was learnt. " R_KEY,
     "palimpsest; normalisation after Ramasesh et al. 2022"},
    {FIELD_FORGETTING_DROP, INSTRUMENT_FORGETTING, "forgetting_drop", ONE, OUTCOME, "1", "raw drop of accuracy",
     "mean over j < k of R[j][j] - R[k][j]. " R_KEY, "Kemker et al. 2018"},
    {FIELD_FORGETTING_LOSS_RISE, INSTRUMENT_FORGETTING, "forgetting_loss_rise", ONE, OUTCOME, "nats",
     "rise of the loss on earlier tasks", "mean over j < k of loss[k][j] - loss[j][j]", "-"},
    {FIELD_FORGETTING_MAXIMUM, INSTRUMENT_FORGETTING, "forgetting_maximum", ONE, OUTCOME, "1",
     "best accuracy before the last task minus accuracy after it",
     "mean over j < k of max over j <= l < k of R[l][j], minus R[k][j]. " R_KEY, "Chaudhry et al. 2018"},
    {FIELD_FORGETTING_RELATIVE, INSTRUMENT_FORGETTING, "forgetting_relative", ONE, OUTCOME, "1",
     "drop of accuracy as a share of the accuracy first reached",
     "mean over j < k of (R[j][j] - R[k][j]) / R[j][j]. " R_KEY, "Mehta et al. 2023"},
    {FIELD_BACKWARD_TRANSFER, INSTRUMENT_FORGETTING, "backward_transfer", ONE, OUTCOME, "1", "backward transfer",
     "mean over j < k of R[k][j] - R[j][j]. " R_KEY, "Lopez-Paz and Ranzato 2017"},
    {FIELD_ALONE_ACCURACY, INSTRUMENT_TRANSFER, "alone_accuracy", ONE, BRANCH(ALONE), "1",
     "accuracy on the test items of a task learnt from the pretrained state, with the recipe and the order of items "
     "of "
     "a second task",
     "correct / items", "b-bar in Lopez-Paz and Ranzato 2017"},
    {FIELD_ALONE_LOSS, INSTRUMENT_TRANSFER, "alone_loss", ONE, BRANCH(ALONE), "nats",
     "cross-entropy on the test items of a task learnt from the pretrained state",
     "mean over items of -log p(true label)", "-"},
    {FIELD_TRANSFER, INSTRUMENT_TRANSFER, "transfer", ONE, BRANCH(TRANSFER), "1",
     "what the tasks before it changed in the accuracy that the last task reaches",
     "R[k][k] - accuracy of the same task learnt from the pretrained state (alone_accuracy). " R_KEY,
     "Pruksachatkun et al. 2020"},
    {FIELD_READOUT_ACCURACY, INSTRUMENT_ABLATION, "readout_accuracy", ALONG(LAYER), PLACES, "1",
     "accuracy of the task just learnt when its head reads what comes out of each layer",
     "correct / items, the blocks above the layer left out, final norm and head as they are; final: as the task was "
     "learnt",
     "Merchant et al. 2020 (layers left out); nostalgebraist 2020 (without training anew)"},
    {FIELD_READOUT_LOSS, INSTRUMENT_ABLATION, "readout_loss", ALONG(LAYER), PLACES, "nats",
     "cross-entropy of the task just learnt when its head reads what comes out of each layer",
     "mean over items of -log p(true label), the blocks above the layer left out; final: as the task was learnt",
     "Merchant et al. 2020 (layers left out); nostalgebraist 2020 (without training anew)"},
    {FIELD_RESTORED_LM_LOSS, INSTRUMENT_ABLATION, "restored_lm_loss", ALONG(RESTORED), PLACES, NATS,
     "language-modelling loss with the top layers put back to their pretrained values",
     "mean over reference domains of the loss with the top k blocks and, for k > 0, the final norm as they were; k one "
     "more than there are blocks: the embeddings too; missing where layers that share a block would be put back in "
     "part",
     "Mosbach et al. 2021"},
    {FIELD_ZERO_SHOT_ACCURACY, INSTRUMENT_PROMPTS, "zero_shot_accuracy", ALONG(PROMPT), PRETRAINED | PLACES, "1",
     "accuracy on the test items of every task, read out through its label words after its prompt",
     "correct / items, p(label) = softmax over the label words of the logits of the language-model head",
     "Radford et al. 2019; label words after Schick and Schuetze 2021"},
    {FIELD_ZERO_SHOT_LOSS, INSTRUMENT_PROMPTS, "zero_shot_loss", ALONG(PROMPT), PRETRAINED | PLACES, "nats",
     "cross-entropy on the test items of every task, read out through its label words after its prompt",
     "mean over items of -log p(true label), p(label) = softmax over the label words", "Radford et al. 2019"},
    {FIELD_NOISE_LM_LOSS, INSTRUMENT_MEDIATORS, "noise_lm_loss", ALONG(NOISE), PRETRAINED | PLACES, NATS,
     "language-modelling loss under Gaussian noise on the weights",
     "mean over draws and reference domains of the loss at W + noise x rms(W) x N(0, 1), by tensor, heads as they are",
     "Springer et al. 2025 (Gaussian perturbation); Li et al. 2018 (scaled by the size of each tensor)"},
    {FIELD_NOISE_LOSS, INSTRUMENT_MEDIATORS, "noise_loss", ALONG(NOISE), PLACES, "nats",
     "cross-entropy of the task just learnt under Gaussian noise on the weights",
     "mean over draws of the loss on the test items at W + noise x rms(W) x N(0, 1), by tensor, heads as they are",
     "Springer et al. 2025 (Gaussian perturbation); Li et al. 2018 (scaled by the size of each tensor)"},
    {FIELD_NOISE_ACCURACY, INSTRUMENT_MEDIATORS, "noise_accuracy", ALONG(NOISE), PLACES, "1",
     "accuracy of the task just learnt under Gaussian noise on the weights",
     "mean over draws of correct / items at W + noise x rms(W) x N(0, 1), by tensor, heads as they are",
     "Springer et al. 2025 (Gaussian perturbation); Li et al. 2018 (scaled by the size of each tensor)"},
    {FIELD_GRADIENT_COSINE_PRETRAINED, INSTRUMENT_MEDIATORS, "gradient_cosine_pretrained", EACH_EARLIER, PLACES, "1",
     "cosine between the gradients of this task and an earlier one at the pretrained weights",
     COSINE "all weights but those of heads", COSINE_SOURCE},
    {FIELD_GRADIENT_COSINE_START, INSTRUMENT_MEDIATORS, "gradient_cosine_start", EACH_EARLIER, PLACES, "1",
     "cosine between the gradients of this task and an earlier one at the weights that this one starts from",
     COSINE "all weights but those of heads", COSINE_SOURCE},
    {FIELD_LAYER_COSINE_PRETRAINED, INSTRUMENT_MEDIATORS, "layer_gradient_cosine_pretrained", EACH_EARLIER_ALONG(LAYER),
     PLACES, "1", "cosine between the gradients of this task and an earlier one at the pretrained weights, by layer",
     COSINE "the weights of one layer", COSINE_SOURCE},
    {FIELD_LAYER_COSINE_START, INSTRUMENT_MEDIATORS, "layer_gradient_cosine_start", EACH_EARLIER_ALONG(LAYER), PLACES,
     "1",
     "cosine between the gradients of this task and an earlier one at the weights that this one starts from, by layer",
     COSINE "the weights of one layer", COSINE_SOURCE},
    {FIELD_LOST_ITEMS, INSTRUMENT_ITEMS, "lost_items", EACH_EARLIER, PLACES, "items",
     "test items of an earlier task that were right at the start of this place and are wrong now",
     "number of items with 1 before and 0 after", "forgetting events of Toneva et al. 2019; Harmon et al. 2025"},
    {FIELD_GAINED_ITEMS, INSTRUMENT_ITEMS, "gained_items", EACH_EARLIER, PLACES, "items",
     "test items of an earlier task that were wrong at the start of this place and are right now",
     "number of items with 0 before and 1 after", "learning events of Toneva et al. 2019; Harmon et al. 2025"},
    {FIELD_LOST_ITEMS_ABOVE_CHANCE, INSTRUMENT_ITEMS, "lost_items_above_chance", EACH_EARLIER, PLACES, "items",
     "lost items beyond those that independent guesses would lose", "lost_items - " CHANCE, "after Harmon et al. 2025"},
    {FIELD_GAINED_ITEMS_ABOVE_CHANCE, INSTRUMENT_ITEMS, "gained_items_above_chance", EACH_EARLIER, PLACES, "items",
     "gained items beyond those that independent guesses would gain", "gained_items - " CHANCE,
     "after Harmon et al. 2025"},
};

int field_width(enum field_id id, const struct record_extents *extents)
{
    int width = 1;
    for (int d = 0; d < fields_table[id].dimensions; d++) width *= extents->length[fields_table[id].dimension[d]];
    return width;
}

int field_parts_at(enum field_id id, int place)
{
    switch (fields_table[id].parts) {
    case PART_PLACES: return place + 1;
    case PART_EARLIER: return place > 0 ? place : 0;
    case PART_ONE: break;
    }
    return 1;
}

int field_length(enum field_id id, const struct record_extents *extents, int place)
{
    return field_width(id, extents) * field_parts_at(id, place);
}

int record_offset(unsigned groups, unsigned instruments, const struct record_extents *extents, int place, int id)
{
    int offset = 0;
    for (int f = 0; f < FIELD_COUNT; f++) {
        bool asked = (fields_table[f].groups & groups) && (instruments & 1u << fields_table[f].instrument);
        if (f == id) return asked ? offset : -1;
        if (asked) offset += field_length((enum field_id)f, extents, place);
    }
    return offset;
}

/* Variables that need no word for their group. */
static bool is_bare(int group)
{
    return group == GROUP_OUTCOME || (group >= GROUP_BRANCH && branches_table[group - GROUP_BRANCH].bare);
}

bool field_variable(int group, enum field_id id, int part, char *name, size_t size)
{
    const struct field *field = &fields_table[id];
    if (!(field->groups & 1u << group) || part >= field_parts_at(id, group - GROUP_PLACE)) return false;
    if (is_bare(group))
        snprintf(name, size, "%s", field->name);
    else if (field->parts != PART_ONE && group > GROUP_PLACE)
        snprintf(name, size, "%s_%s_%s", group_name(group), field->name, place_name(part));
    else
        snprintf(name, size, "%s_%s", group_name(group), field->name);
    return true;
}
