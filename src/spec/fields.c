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
#define CONTROLS                                                                                                       \
    (BRANCH(RELABELLED) | BRANCH(ELSEWHERE) | BRANCH(NOISE_LABELS) | BRANCH(MORE_PRETRAINING) | BRANCH(RATE_ZERO))
#define PREQUENTIAL (BRANCH(PREQUENTIAL_FIRST) | BRANCH(PREQUENTIAL_LAST))

/* dimensions, dimension[], parts */
#define ONE 0, {0}, PART_ONE
#define EACH_PLACE 0, {0}, PART_PLACES
#define EACH_EARLIER 0, {0}, PART_EARLIER
#define EACH_EARLIER_ALONG(name) 1, {DIMENSION_##name}, PART_EARLIER
#define ALONG(name) 1, {DIMENSION_##name}, PART_ONE
#define EACH_PLACE_ALONG(name) 1, {DIMENSION_##name}, PART_PLACES
#define ALONG2(name, other) 2, {DIMENSION_##name, DIMENSION_##other}, PART_ONE

#define NATS "nats per token"
#define COSINE                                                                                                         \
    "<g, h> / (||g|| ||h||); g, h: gradients of the mean loss over the first mediators.items training items of each "  \
    "task, read out through its label words; "
#define COSINE_SOURCE "Riemer et al. 2019; Yu et al. 2020"
#define CHANCE "items (1 - a) (1 - b) / (classes - 1), a and b: accuracies at the start of this place and now"
#define FIRST BIT(GROUP_PLACE)
#define READ_ON (BRANCH(AFTER_FIRST) | BRANCH(AFTER_LAST))
#define RELEARNT (BRANCH(RELEARNT) | BRANCH(RELEARNT_HEAD))

#define LOOKS "optimiser steps taken at each look, counted from the start of that training"
#define LOOKS_FORMULA "look i of n after steps x (i / n)^2, rounded, at least i, at most all of them"
#define RECOVERED                                                                                                      \
    "steps, linear between looks, until the mean over reference domains of lm_loss is at most L + within x "           \
    "(L_initial - L), L that of the pretrained state (after_...), or until accuracy is at least A - within x (A - "    \
    "chance), A that at the end of the first learning (first_, relearnt...; missing where the task was not learnt "    \
    "then), with within = recovery.within; "
#define SUCCESS                                                                                                        \
    "where the accuracy on the last task first is at least chance + frontier.success x (1 - chance), linear between "  \
    "looks; before the first step where it is that already, missing where it never is"
#define PROBE_FORMULA                                                                                                  \
    "correct / test items, of argmax softmax(W z); z: the row, standardised on the training items, and 1; W "          \
    "minimises the mean cross-entropy on probes.items training items + strength / 2 ||W||^2 (largest component of "    \
    "the gradient 1e-6); strength: of 1, 0.1, ... 1e-4 the best on the development items, of equal ones the largest"
#define RSA_FORMULA                                                                                                    \
    "Pearson correlation, over pairs i < j of the first similarity.stimuli reference windows, of cos(x_i, x_j) "       \
    "here and in the pretrained state"
#define CKA_FORMULA                                                                                                    \
    "||Y^T X||^2 / (||X^T X|| ||Y^T Y||), Frobenius norms; X, Y: rows of the first similarity.stimuli reference "      \
    "windows here and in the pretrained state, columns less their means"
#define OVERLAP_FORMULA                                                                                                \
    "mean over j < k of ||U_j^T U_k||^2 / min(dimensions), U: orthonormal basis of the class means of a task's test "  \
    "items (pooled as by its head) less their centre; by chance max(dimensions) / width. k: the last place"
#define OVERLAP_SOURCE "subspace similarity of Ramasesh et al. 2021, on class means; after Ramasesh et al. 2022"
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
    {FIELD_JOINT_ACCURACY_FIRST, INSTRUMENT_TRANSFER, "joint_accuracy_first", ONE, BRANCH(JOINT), "1",
     "accuracy on the first task of a model that learnt all tasks of the sequence together, batches of the tasks in "
     "turn",
     "correct / items", "-"},
    {FIELD_JOINT_ACCURACY_LAST, INSTRUMENT_TRANSFER, "joint_accuracy_last", ONE, BRANCH(JOINT), "1",
     "accuracy on the last task of a model that learnt all tasks of the sequence together, batches of the tasks in "
     "turn",
     "correct / items", "a* in Chaudhry et al. 2018"},
    {FIELD_JOINT_LOSS_FIRST, INSTRUMENT_TRANSFER, "joint_loss_first", ONE, BRANCH(JOINT), "nats",
     "cross-entropy on the first task of a model that learnt all tasks together",
     "mean over items of -log p(true label)", "-"},
    {FIELD_JOINT_LOSS_LAST, INSTRUMENT_TRANSFER, "joint_loss_last", ONE, BRANCH(JOINT), "nats",
     "cross-entropy on the last task of a model that learnt all tasks together",
     "mean over items of -log p(true label)", "-"},
    {FIELD_INTRANSIGENCE, INSTRUMENT_TRANSFER, "intransigence", ONE, BRANCH(TRANSFER), "1",
     "what learning the last task after the others costs it, beside learning all together",
     "joint_accuracy_last - R[k][k]. " R_KEY, "Chaudhry et al. 2018"},
    {FIELD_JOINT_GAP, INSTRUMENT_TRANSFER, "joint_gap", ONE, BRANCH(TRANSFER), "1",
     "what learning the tasks one after the other costs the earlier ones, beside learning all together",
     "mean over j < k of the accuracy on the task of place j after learning all together minus R[k][j]. " R_KEY, "-"},
    {FIELD_CONTROL_ACCURACY, INSTRUMENT_CONTROLS, "control_accuracy", ONE, CONTROLS, "1",
     "accuracy on the first task after the control that took the second task's place", "correct / items", "-"},
    {FIELD_CONTROL_LOSS, INSTRUMENT_CONTROLS, "control_loss", ONE, CONTROLS, "nats",
     "cross-entropy on the first task after the control that took the second task's place",
     "mean over items of -log p(true label)", "-"},
    {FIELD_CONTROL_FORGETTING, INSTRUMENT_CONTROLS, "control_forgetting", ONE, CONTROLS, "1",
     "share of what was learnt of the first task above chance that the control has undone",
     "(R[first][first] - control_accuracy) / (R[first][first] - chance); missing where the first task was not learnt "
     "(R - chance > 3 standard errors). " R_KEY,
     "palimpsest; normalisation after Ramasesh et al. 2022"},
    {FIELD_CONTROL_LM_RISE, INSTRUMENT_CONTROLS, "control_lm_rise", ONE, CONTROLS, NATS,
     "rise of the language-modelling loss since pretraining, after the control",
     "mean over reference domains of lm_loss - pretrained_lm_loss", "Bethune et al. 2025"},
    {FIELD_CODELENGTH, INSTRUMENT_CODELENGTH, "codelength", ONE, PREQUENTIAL, "bits",
     "prequential codelength of the labels of the training items",
     "items of the first block x log2(classes) + sum over later items of -log2 p(label | model trained on the blocks "
     "before its own)",
     "Yogatama et al. 2019; Voita and Titov 2020 (online code)"},
    {FIELD_CODELENGTH_PER_ITEM, INSTRUMENT_CODELENGTH, "codelength_per_item", ONE, PREQUENTIAL, "bits per item",
     "prequential codelength of a label, mean over the training items", "codelength / items", "Voita and Titov 2020"},
    {FIELD_CODELENGTH_COMPRESSION, INSTRUMENT_CODELENGTH, "codelength_compression", ONE, PREQUENTIAL, "1",
     "how many times shorter the code is than that of uniform labels", "items x log2(classes) / codelength",
     "Voita and Titov 2020"},
    {FIELD_CODELENGTH_CUMULATIVE, INSTRUMENT_CODELENGTH, "codelength_cumulative", ALONG(BLOCK), PREQUENTIAL, "bits",
     "prequential codelength of the blocks so far", "sum over blocks 0 .. block of their bits", "Yogatama et al. 2019"},
    {FIELD_CODELENGTH_BLOCK_ITEMS, INSTRUMENT_CODELENGTH, "codelength_block_items", ALONG(BLOCK), PREQUENTIAL, "items",
     "training items in the blocks so far", "end[0] = codelength.first; end[b] = round(end[b-1] x codelength.growth)",
     "-"},
    {FIELD_RECOVERY_LOOKS, INSTRUMENT_RECOVERY, "recovery_looks", ALONG(PROGRESS), FIRST | READ_ON | RELEARNT, "steps",
     LOOKS, LOOKS_FORMULA, "-"},
    {FIELD_RECOVERY_LM_LOSS, INSTRUMENT_RECOVERY, "recovery_lm_loss", ALONG(PROGRESS), READ_ON, NATS,
     "language-modelling loss while pretraining is continued from the damaged state, which reads on where the cell's "
     "pretraining ended",
     "mean over reference domains of lm_loss", "Ramasesh et al. 2022, turned round"},
    {FIELD_RECOVERY_ACCURACY, INSTRUMENT_RECOVERY, "recovery_accuracy", ALONG(PROGRESS), FIRST | RELEARNT, "1",
     "accuracy on the test items of the first task while it is learnt (first), and learnt once more (relearnt...)",
     "correct / items", "Ebbinghaus 1885"},
    {FIELD_RECOVERY_LOSS, INSTRUMENT_RECOVERY, "recovery_loss", ALONG(PROGRESS), FIRST | RELEARNT, "nats",
     "cross-entropy on the test items of the first task while it is learnt (first), and learnt once more (relearnt...)",
     "mean over items of -log p(true label)", "-"},
    {FIELD_RECOVERY_STEPS, INSTRUMENT_RECOVERY, "recovery_steps", ONE, FIRST | READ_ON | RELEARNT, "steps",
     "steps that recovery took; of the first learning: that learning took by the same measure",
     RECOVERED "where it never is: all steps there were, with recovery_censored 1", "after Ebbinghaus 1885"},
    {FIELD_RECOVERY_CENSORED, INSTRUMENT_RECOVERY, "recovery_censored", ONE, READ_ON | RELEARNT, "1",
     "1 where nothing had recovered when training ended, so that recovery_steps is a lower bound, else 0",
     "1 where the criterion of recovery_steps is met at no look; missing where recovery_steps is", "-"},
    {FIELD_SAVINGS, INSTRUMENT_RECOVERY, "savings", ONE, RELEARNT, "1",
     "share of the steps of the first learning that relearning saves; where recovery_censored is 1, an upper bound",
     "1 - recovery_steps / first_recovery_steps; missing where the task was not learnt, or known before the first step",
     "Ebbinghaus 1885"},
    {FIELD_FRONTIER_LOOKS, INSTRUMENT_FRONTIER, "frontier_looks", ALONG(PROGRESS), PLACES, "steps", LOOKS,
     LOOKS_FORMULA, "-"},
    {FIELD_FRONTIER_ACCURACY, INSTRUMENT_FRONTIER, "frontier_accuracy", EACH_PLACE_ALONG(PROGRESS), PLACES, "1",
     "accuracy on the test items of a task, of those before and of the one being learnt, along the training",
     "correct / items", "Ramasesh et al. 2022"},
    {FIELD_FRONTIER_LOSS, INSTRUMENT_FRONTIER, "frontier_loss", EACH_PLACE_ALONG(PROGRESS), PLACES, "nats",
     "cross-entropy on the test items of a task, along the training", "mean over items of -log p(true label)", "-"},
    {FIELD_FRONTIER_LM_LOSS, INSTRUMENT_FRONTIER, "frontier_lm_loss", ALONG(PROGRESS), PLACES, NATS,
     "language-modelling loss along the training", "mean over reference domains of lm_loss", "-"},
    {FIELD_FRONTIER_STEPS, INSTRUMENT_FRONTIER, "frontier_steps", ONE, OUTCOME, "steps",
     "steps of the last task's training up to equal success", "steps " SUCCESS, "-"},
    {FIELD_FORGETTING_EQUAL_SUCCESS, INSTRUMENT_FRONTIER, "forgetting_equal_success", ONE, OUTCOME, "1",
     "share of what was learnt above chance that is gone when the last task is learnt equally well in all cells",
     "as forgetting, with R[k][j], j < k, " SUCCESS, "after Ramasesh et al. 2022"},
    {FIELD_LM_RISE_EQUAL_SUCCESS, INSTRUMENT_FRONTIER, "lm_rise_equal_success", ONE, OUTCOME, NATS,
     "rise of the language-modelling loss since pretraining when the last task is learnt equally well in all cells",
     "frontier_lm_loss - pretrained_lm_loss, means over reference domains, " SUCCESS, "-"},
    {FIELD_PROBE_ACCURACY_LAST, INSTRUMENT_PROBES, "probe_accuracy_last", ALONG2(LAYER, PROBED), PRETRAINED | PLACES,
     "1", "accuracy of a linear probe for each task on each layer's row of the last token", PROBE_FORMULA,
     "Conneau et al. 2018; layers as in Merchant et al. 2020"},
    {FIELD_PROBE_ACCURACY_MEAN, INSTRUMENT_PROBES, "probe_accuracy_mean", ALONG2(LAYER, PROBED), PRETRAINED | PLACES,
     "1", "accuracy of a linear probe for each task on each layer's mean over tokens", PROBE_FORMULA,
     "Conneau et al. 2018; layers as in Merchant et al. 2020"},
    {FIELD_RSA_LAST, INSTRUMENT_SIMILARITY, "rsa_last", ALONG(LAYER), PLACES, "1",
     "similarity of each layer's representations to the pretrained ones: RSA, row of the last token", RSA_FORMULA,
     "Merchant et al. 2020; Kriegeskorte et al. 2008"},
    {FIELD_RSA_MEAN, INSTRUMENT_SIMILARITY, "rsa_mean", ALONG(LAYER), PLACES, "1",
     "similarity of each layer's representations to the pretrained ones: RSA, mean over tokens", RSA_FORMULA,
     "Merchant et al. 2020; Kriegeskorte et al. 2008"},
    {FIELD_CKA_LAST, INSTRUMENT_SIMILARITY, "cka_last", ALONG(LAYER), PLACES, "1",
     "similarity of each layer's representations to the pretrained ones: linear CKA, row of the last token",
     CKA_FORMULA, "Kornblith et al. 2019"},
    {FIELD_CKA_MEAN, INSTRUMENT_SIMILARITY, "cka_mean", ALONG(LAYER), PLACES, "1",
     "similarity of each layer's representations to the pretrained ones: linear CKA, mean over tokens", CKA_FORMULA,
     "Kornblith et al. 2019"},
    {FIELD_CLASS_OVERLAP_PRETRAINED, INSTRUMENT_SIMILARITY, "class_overlap_pretrained", ALONG(LAYER), OUTCOME, "1",
     "overlap of the class representations of the last task and of those before it, in the pretrained state",
     OVERLAP_FORMULA, OVERLAP_SOURCE},
    {FIELD_CLASS_OVERLAP_BEFORE, INSTRUMENT_SIMILARITY, "class_overlap_before", ALONG(LAYER), OUTCOME, "1",
     "overlap of the class representations of the last task and of those before it, just before the last is learnt",
     OVERLAP_FORMULA, OVERLAP_SOURCE},
    {FIELD_CLASS_OVERLAP_AFTER, INSTRUMENT_SIMILARITY, "class_overlap_after", ALONG(LAYER), OUTCOME, "1",
     "overlap of the class representations of the last task and of those before it, after the last is learnt",
     OVERLAP_FORMULA, OVERLAP_SOURCE},
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

int field_variables(int group, enum field_id id, unsigned instruments)
{
    const struct field *field = &fields_table[id];
    if (!(field->groups & 1u << group) || !instrument_on(instruments, field->instrument)) return 0;
    return field_parts_at(id, group - GROUP_PLACE);
}

int field_length(enum field_id id, const struct record_extents *extents, int place)
{
    return field_width(id, extents) * field_parts_at(id, place);
}

int record_offset(unsigned groups, unsigned instruments, const struct record_extents *extents, int place, int id)
{
    int offset = 0;
    for (int f = 0; f < FIELD_COUNT; f++) {
        bool asked = (fields_table[f].groups & groups) && instrument_on(instruments, fields_table[f].instrument);
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
