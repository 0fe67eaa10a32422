/* A state as the objects of an HDF5 file: /tensors/<name> for each tensor, /moments [2][floats] (AdamW's m and v for
 * the tensors in the order of the attribute `tensors`), and one dataset or attribute for each piece of the table below.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint_private.h"

enum piece_type { PIECE_INT, PIECE_ENUM, PIECE_BOOL, PIECE_INT64, PIECE_DOUBLE };

/* One piece of struct state beside its tensors; columns 0: a vector, rows 0: a scalar (an attribute).  Whole numbers
 * lie between least and most: others would lead past the end of something. */
struct piece {
    const char *name;
    enum piece_type type;
    int rows, columns;
    int64_t least, most;
    size_t offset;
};
#define PIECE(name, type, rows, columns, least, most, member)                                                          \
    {                                                                                                                  \
        name, type, rows, columns, least, most, offsetof(struct state, member)                                         \
    }
static const struct piece pieces[] = {
    PIECE("layers", PIECE_INT, 0, 0, 1, LAYERS_MAX, shape.layers),
    PIECE("width", PIECE_INT, 0, 0, 1, INT32_MAX, shape.width),
    PIECE("attention_heads", PIECE_INT, 0, 0, 1, INT32_MAX, shape.heads),
    PIECE("context", PIECE_INT, 0, 0, 1, INT32_MAX, shape.context),
    PIECE("vocabulary", PIECE_INT, 0, 0, 1, UINT16_MAX + 1, shape.vocabulary),
    PIECE("feed_forward", PIECE_INT, 0, 0, 1, INT32_MAX, shape.feed_forward),
    PIECE("objective", PIECE_ENUM, 0, 0, OBJECTIVE_CAUSAL, OBJECTIVE_MASKED, shape.objective),
    PIECE("share_layers", PIECE_BOOL, 0, 0, 0, 1, shape.share_layers),
    PIECE("step", PIECE_INT64, 0, 0, 0, INT64_MAX, step),
    PIECE("trace/steps", PIECE_INT64, 1, 0, 0, INT64_MAX, trace.steps),
    PIECE("trace/loss_sum", PIECE_DOUBLE, POINTS_MAX, 0, 0, 0, trace.loss_sum),
    PIECE("trace/loss_count", PIECE_INT64, POINTS_MAX, 0, 0, INT64_MAX, trace.loss_count),
    PIECE("trace/norm_sum", PIECE_DOUBLE, LAYERS_MAX + 2, 0, 0, 0, trace.norm_sum),
    PIECE("trace/block_bits", PIECE_DOUBLE, BLOCKS_MAX, 0, 0, 0, trace.block_bits),
    PIECE("trace/looks_of", PIECE_INT64, 2, 0, INT64_MIN, INT64_MAX, trace.looks.of),
    PIECE("trace/looks", PIECE_INT64, 1, 0, 0, LOOKS_MAX, trace.looks.count),
    PIECE("trace/looks_lm_loss", PIECE_DOUBLE, LOOKS_MAX, 0, 0, 0, trace.looks.lm_loss),
    PIECE("trace/looks_accuracy", PIECE_DOUBLE, PLACES_MAX, LOOKS_MAX, 0, 0, trace.looks.accuracy),
    PIECE("trace/looks_loss", PIECE_DOUBLE, PLACES_MAX, LOOKS_MAX, 0, 0, trace.looks.loss),
    PIECE("history/lm_losses", PIECE_INT, 1, 0, 0, 2 + PLACES_MAX, history.lm_losses),
    PIECE("history/lm_loss", PIECE_DOUBLE, 2 + PLACES_MAX, 0, 0, 0, history.lm_loss),
    PIECE("history/accuracy", PIECE_DOUBLE, PLACES_MAX, PLACES_MAX, 0, 0, history.accuracy),
    PIECE("history/loss", PIECE_DOUBLE, PLACES_MAX, PLACES_MAX, 0, 0, history.loss),
    PIECE("history/chance", PIECE_DOUBLE, PLACES_MAX, 0, 0, 0, history.chance),
    PIECE("history/items", PIECE_INT, PLACES_MAX, 0, 0, INT32_MAX, history.items),
    PIECE("history/first_steps", PIECE_DOUBLE, 1, 0, 0, 0, history.first_steps),
};
enum { TENSOR_PATH_BYTES = sizeof((struct tensor *)0)->name + 8 };
enum { PIECES = sizeof pieces / sizeof *pieces };

static hid_t type_of(enum piece_type type)
{
    switch (type) {
    case PIECE_INT:
    case PIECE_ENUM: return H5T_NATIVE_INT;
    case PIECE_BOOL: return H5T_NATIVE_UINT8;
    case PIECE_INT64: return H5T_NATIVE_INT64;
    case PIECE_DOUBLE: break;
    }
    return H5T_NATIVE_DOUBLE;
}
_Static_assert(sizeof(enum objective) == sizeof(int) && sizeof(bool) == 1 && sizeof(struct hash128) == 16,
               "pieces are stored by their memory");

/* ---- writing ---- */

static int put_array(const struct hdf *hdf, const char *name, hid_t type, int rows, int columns, const void *values)
{
    struct dimensions dimensions = {.count = columns > 0 ? 2 : 1, .length = {(hsize_t)rows, (hsize_t)columns}};
    hid_t dataset = hdf_dataset(hdf, name, type, &dimensions, NULL, values);
    if (dataset < 0) return -1;
    H5Dclose(dataset);
    return 0;
}

static int put_piece(const struct hdf *hdf, const struct piece *piece, const struct state *state)
{
    const void *values = (const char *)state + piece->offset;
    if (piece->rows == 0) return hdf_attribute(hdf, hdf->file, piece->name, type_of(piece->type), -1, values);
    return put_array(hdf, piece->name, type_of(piece->type), piece->rows, piece->columns, values);
}

static int put_heads(const struct hdf *hdf, const struct state *state)
{
    const char *task[PLACES_MAX];
    int classes[PLACES_MAX];
    for (int h = 0; h < state->heads; h++) {
        task[h] = state->head[h].task;
        classes[h] = state->head[h].classes;
    }
    TRY(hdf_attribute(hdf, hdf->file, "heads", H5T_NATIVE_INT, -1, &state->heads));
    if (state->heads == 0) return 0;
    TRY(hdf_attribute_texts(hdf, hdf->file, "head_task", state->heads, task));
    return hdf_attribute(hdf, hdf->file, "head_classes", H5T_NATIVE_INT, state->heads, classes);
}

static int put_moments(const struct hdf *hdf, const struct state *state)
{
    struct dimensions dimensions = {.count = 2, .length = {2, state->floats}};
    if (!state->moments) return 0;
    hid_t dataset = hdf_dataset(hdf, "moments", H5T_NATIVE_FLOAT, &dimensions, NULL, state->moments);
    if (dataset < 0) return -1;
    const char **name = memory_array((size_t)state->tensors, sizeof *name);
    int64_t *start = memory_array((size_t)state->tensors, sizeof *start);
    for (int t = 0; t < state->tensors; t++) {
        name[t] = state->tensor[t].name;
        start[t] = (int64_t)state->tensor[t].offset;
    }
    int status = hdf_attribute_texts(hdf, dataset, "tensors", state->tensors, name);
    if (status == 0) status = hdf_attribute(hdf, dataset, "starts", H5T_NATIVE_INT64, state->tensors, start);
    memory_free(name);
    memory_free(start);
    H5Dclose(dataset);
    return status;
}

static void tensor_path(const struct tensor *tensor, char path[TENSOR_PATH_BYTES])
{
    snprintf(path, TENSOR_PATH_BYTES, "tensors/%s", tensor->name);
}

static int put_tensors(const struct hdf *hdf, const struct state *state)
{
    for (int t = 0; t < state->tensors; t++) {
        const struct tensor *tensor = &state->tensor[t];
        char path[TENSOR_PATH_BYTES];
        tensor_path(tensor, path);
        TRY(put_array(hdf, path, H5T_NATIVE_FLOAT, tensor->rows, tensor->columns, state->values + tensor->offset));
    }
    return 0;
}

int state_put(const struct hdf *hdf, const struct state *state)
{
    static const char *const groups[] = {"tensors", "trace", "history"};
    for (int g = 0; g < 3; g++) TRY(hdf_group(hdf, groups[g]));
    for (int p = 0; p < PIECES; p++) TRY(put_piece(hdf, &pieces[p], state));
    TRY(put_heads(hdf, state));
    TRY(put_tensors(hdf, state));
    return put_moments(hdf, state);
}

/* ---- reading ---- */

static int64_t count_of(const struct piece *piece)
{
    return (int64_t)(piece->rows > 0 ? piece->rows : 1) * (piece->columns > 0 ? piece->columns : 1);
}

/* Looked at as bytes: what is no bool, or none of an enum, may not even be loaded as one. */
static int64_t whole_number(const struct piece *piece, const void *values, int64_t i)
{
    int32_t narrow;
    int64_t wide;
    if (piece->type == PIECE_BOOL) return ((const unsigned char *)values)[i];
    if (piece->type == PIECE_INT64) return memcpy(&wide, (const char *)values + i * 8, sizeof wide), wide;
    return memcpy(&narrow, (const char *)values + i * 4, sizeof narrow), narrow;
}

static int check_piece(const struct hdf *hdf, const struct piece *piece, const void *values)
{
    for (int64_t i = 0; piece->type != PIECE_DOUBLE && i < count_of(piece); i++) {
        int64_t value = whole_number(piece, values, i);
        if (value < piece->least || value > piece->most)
            return error_set(hdf->err, ERROR_OUTSIDE, "%s: %s is %lld; it can be from %lld to %lld", hdf->path,
                             piece->name, (long long)value, (long long)piece->least, (long long)piece->most);
    }
    return 0;
}

static int get_piece(const struct hdf *hdf, const struct piece *piece, struct state *state)
{
    void *values = (char *)state + piece->offset;
    if (piece->rows == 0)
        TRY(hdf_read_attribute(hdf, hdf->file, piece->name, type_of(piece->type), 1, values));
    else
        TRY(hdf_read_whole(hdf, piece->name, type_of(piece->type), count_of(piece), values));
    return check_piece(hdf, piece, values);
}

static int get_head_tasks(const struct hdf *hdf, int heads, struct head_shape *head)
{
    char *task[PLACES_MAX] = {NULL};
    hid_t type = hdf_text_type();
    int status = hdf_read_attribute(hdf, hdf->file, "head_task", type, heads, task);
    H5Tclose(type);
    for (int h = 0; h < heads && status == 0; h++) {
        const char *name = task[h] ? task[h] : "";
        if (!name[0] || strlen(name) >= sizeof head[h].task || strchr(name, '/'))
            status = error_set(hdf->err, ERROR_OUTSIDE, "%s: \"%.80s\" is no name of a head's task", hdf->path, name);
        else
            memcpy(head[h].task, name, strlen(name) + 1);
    }
    for (int h = 0; h < heads; h++) H5free_memory(task[h]);
    return status;
}

static int get_heads(const struct hdf *hdf, int *heads, struct head_shape *head)
{
    int classes[PLACES_MAX];
    TRY(hdf_read_attribute(hdf, hdf->file, "heads", H5T_NATIVE_INT, 1, heads));
    if (*heads < 0 || *heads > PLACES_MAX)
        return error_set(hdf->err, ERROR_OUTSIDE, "%s: holds %d heads; at most %d can be read", hdf->path, *heads,
                         PLACES_MAX);
    if (*heads == 0) return 0;
    TRY(get_head_tasks(hdf, *heads, head));
    TRY(hdf_read_attribute(hdf, hdf->file, "head_classes", H5T_NATIVE_INT, *heads, classes));
    for (int h = 0; h < *heads; h++) {
        if (classes[h] < 1 || classes[h] > CLASSES_MAX)
            return error_set(hdf->err, ERROR_OUTSIDE, "%s: the head of %s has %d classes; it can have 1 to %d",
                             hdf->path, head[h].task, classes[h], CLASSES_MAX);
        head[h].classes = classes[h];
    }
    return 0;
}

/* Weights are stored as they are, so a model has no more of them than the file has room for: before that is sure,
 * no memory is taken for them.  In doubles first, as whole numbers could overflow. */
static int check_shape(const struct hdf *hdf, const struct state *front, const struct head_shape *head)
{
    const struct model_shape *shape = &front->shape;
    hsize_t bytes = 0;
    int classes = 0;
    if (H5Fget_filesize(hdf->file, &bytes) < 0) return hdf_fail(hdf->err, hdf->path, "cannot be measured");
    double block = (4 + 2.0 * shape->feed_forward) * shape->width * shape->width;
    double tables = ((double)shape->vocabulary + shape->context) * shape->width;
    for (int h = 0; h < front->heads; h++) classes += head[h].classes;
    if ((block + tables) * sizeof(float) > (double)bytes ||
        (uint64_t)shape_state_bytes(shape, front->heads, classes) > bytes)
        return error_set(hdf->err, ERROR_OUTSIDE,
                         "%s: holds %llu bytes, too few for %d layers of width %d with feed-forward %d, %d words and a "
                         "context of %d",
                         hdf->path, (unsigned long long)bytes, shape->layers, shape->width, shape->feed_forward,
                         shape->vocabulary, shape->context);
    if (shape->width % shape->heads != 0)
        return error_set(hdf->err, ERROR_OUTSIDE, "%s: %d attention heads do not divide a width of %d", hdf->path,
                         shape->heads, shape->width);
    return 0;
}

static int get_numbers(const struct hdf *hdf, struct state *state)
{
    for (int t = 0; t < state->tensors; t++) {
        const struct tensor *tensor = &state->tensor[t];
        char path[TENSOR_PATH_BYTES];
        tensor_path(tensor, path);
        int64_t count = (int64_t)tensor->rows * (tensor->columns > 0 ? tensor->columns : 1);
        TRY(hdf_read_whole(hdf, path, H5T_NATIVE_FLOAT, count, state->values + tensor->offset));
    }
    if (!state->moments) return 0;
    return hdf_read_whole(hdf, "moments", H5T_NATIVE_FLOAT, 2 * (int64_t)state->floats, state->moments);
}

int state_get(const struct hdf *hdf, struct state **state)
{
    struct head_shape head[PLACES_MAX];
    struct state front = {.heads = 0}; /* the pieces, before the tensors can be laid out */
    for (int p = 0; p < PIECES; p++) TRY(get_piece(hdf, &pieces[p], &front));
    TRY(get_heads(hdf, &front.heads, head));
    TRY(check_shape(hdf, &front, head));
    bool moments;
    TRY(hdf_exists(hdf, "moments", &moments));
    struct state *found = state_create(&front.shape, head, front.heads, moments);
    if (get_numbers(hdf, found) != 0) {
        state_destroy(&found);
        return -1;
    }
    found->step = front.step;
    found->trace = front.trace;
    found->history = front.history;
    *state = found;
    return 0;
}
