/* Checkpoints.  The input is a list of operations of OPERATION_BYTES each on the file of a small state:
 *
 *   without repair: bytes flipped, the end cut or grown.  Such a file must be refused before HDF5 sees it.
 *   with repair: values, lengths, types and names of its objects changed through HDF5 and the checksum made right
 * again, as no damage can.  Such a file may be refused; what is read must be a state that can be written and read
 * again.
 *
 * (Random bytes behind a repaired checksum would only try HDF5's own parser, which the checksum stands in front of.) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/store/checkpoint_private.h"
#include "fuzz_input.h"

enum { OPERATION_BYTES = 12, OPERATIONS_MOST = 8, IMAGE_MOST = 1 << 20 };
static const struct checkpoint_name name = {.state = {.low = 0x1234, .high = 0xabcd}, .record = {.low = 5, .high = 6}};

struct operation {
    uint8_t what, object, first, second;
    int64_t value;
};
struct image {
    char bytes[IMAGE_MOST];
    size_t count;
};

/* ---- the state that all begins with ---- */

static struct state *make_state(bool moments, int heads)
{
    const struct model_shape shape = {.layers = 1,
                                      .width = 4,
                                      .heads = 2,
                                      .context = 4,
                                      .vocabulary = 5,
                                      .feed_forward = 2,
                                      .objective = OBJECTIVE_MASKED};
    const struct head_shape head[] = {{"tense", 2}, {"topic", 3}};
    struct state *state = state_create(&shape, head, heads, moments);
    state_initialise(state, 7, 0.02);
    state->step = 77;
    state->history.lm_losses = 3;
    return state;
}

static const char *results_path(void)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/r.h5", fuzz_folder());
    return path;
}

static const char *input_path(void)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/r.stages/000000000000abcd0000000000001234.h5", fuzz_folder());
    return path;
}

static void read_image(struct image *image)
{
    struct error err = {0};
    char *bytes;
    CHECK(file_read(input_path(), IMAGE_MOST, &bytes, &image->count, &err) == 0, "%s", err.text);
    memcpy(image->bytes, bytes, image->count);
    memory_free(bytes);
}

/* Each of the four kinds is written once. */
static const struct image *whole_image(bool moments, int heads)
{
    static struct image images[4];
    struct image *image = &images[(moments ? 2 : 0) + (heads > 0)];
    struct error err = {0};
    if (image->count > 0) return image;
    struct state *state = make_state(moments, heads);
    CHECK(checkpoint_write(results_path(), &name, state, &err) == 0, "%s", err.text);
    state_destroy(&state);
    read_image(image);
    return image;
}

static void clear_away(void)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s/r.stages", fuzz_folder());
    unlink(input_path());
    rmdir(folder);
}

/* ---- operations on bytes ---- */

static void change_bytes(struct image *image, const struct operation *operation)
{
    size_t place = (size_t)((uint64_t)operation->value % image->count);
    switch (operation->what % 4) {
    case 0: image->bytes[place] = (char)(image->bytes[place] ^ operation->object); return;
    case 1: image->count = place + 1; return;
    case 2:
        if (image->count + operation->first > IMAGE_MOST) return;
        memset(image->bytes + image->count, operation->object, operation->first);
        image->count += operation->first;
        return;
    default: memset(image->bytes + place, operation->object, image->count - place > 8 ? 8 : image->count - place);
    }
}

/* ---- operations on objects, through HDF5 ---- */

static const char *const objects[] = {"layers",
                                      "width",
                                      "attention_heads",
                                      "context",
                                      "vocabulary",
                                      "feed_forward",
                                      "objective",
                                      "share_layers",
                                      "step",
                                      "heads",
                                      "head_task",
                                      "head_classes", /* attributes up to here */
                                      "trace/steps",
                                      "trace/loss_sum",
                                      "trace/loss_count",
                                      "trace/norm_sum",
                                      "history/lm_losses",
                                      "history/lm_loss",
                                      "history/accuracy",
                                      "history/items",
                                      "tensors/wte.weight",
                                      "tensors/wpe.weight",
                                      "tensors/h.0.ln_1.weight",
                                      "tensors/h.0.attn.c_attn.weight",
                                      "tensors/ln_f.bias",
                                      "tensors/heads.tense.weight",
                                      "tensors/heads.tense.bias",
                                      "moments",
                                      "tensors",
                                      "trace",
                                      "history"};
enum { ATTRIBUTES = 12, OBJECTS = sizeof objects / sizeof *objects };

static hid_t type_for(int which)
{
    switch (which % 7) {
    case 0: return H5Tcopy(H5T_STD_I32LE);
    case 1: return H5Tcopy(H5T_STD_I64LE);
    case 2: return H5Tcopy(H5T_IEEE_F64LE);
    case 3: return H5Tcopy(H5T_IEEE_F32LE);
    case 4: return H5Tcopy(H5T_STD_U8LE);
    case 5: return H5Tcopy(H5T_C_S1);
    default: return hdf_text_type();
    }
}

static hid_t space_for(const struct operation *operation)
{
    hsize_t length[2] = {operation->first % 100, operation->second % 40};
    if (operation->first == 255) return H5Screate(H5S_NULL);
    if (operation->first == 0) return H5Screate(H5S_SCALAR);
    return H5Screate_simple(length[1] > 0 ? 2 : 1, length, NULL);
}

/* Every element the value, or a short text of it. */
static void *values_for(hid_t type, hid_t space, int64_t value)
{
    static char text[40];
    static char *texts[100 * 40];
    static unsigned char bytes[100 * 40 * sizeof value];
    size_t count = (size_t)H5Sget_simple_extent_npoints(space), size = H5Tget_size(type);
    snprintf(text, sizeof text, "%.*s%lld", (int)((uint64_t)value % 8), "tense", (long long)value);
    for (size_t i = 0; i < count; i++) texts[i] = text;
    for (size_t i = 0; i < count; i++) memcpy(bytes + i * size, &value, size < sizeof value ? size : sizeof value);
    return H5Tis_variable_str(type) > 0 ? (void *)texts : bytes;
}

static void replace(hid_t file, const char *object, bool attribute, const struct operation *operation)
{
    hid_t type = type_for((int)((uint64_t)operation->value >> 56)), space = space_for(operation);
    int64_t value = (int64_t)((uint64_t)operation->value << 8) >> 8;
    void *values = values_for(type, space, value);
    if (attribute) {
        H5Adelete(file, object);
        hid_t made = H5Acreate2(file, object, type, space, H5P_DEFAULT, H5P_DEFAULT);
        if (made >= 0) H5Awrite(made, type, values);
        if (made >= 0) H5Aclose(made);
    } else {
        H5Ldelete(file, object, H5P_DEFAULT);
        hid_t made = H5Dcreate2(file, object, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        if (made >= 0) H5Dwrite(made, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
        if (made >= 0) H5Dclose(made);
    }
    H5Tclose(type);
    H5Sclose(space);
}

/* The attribute keeps its type and length; all its numbers become the value. */
static void set_attribute(hid_t file, const char *object, int64_t value)
{
    int64_t values[PLACES_MAX];
    hid_t attribute = H5Aopen(file, object, H5P_DEFAULT);
    if (attribute < 0) return;
    hid_t space = H5Aget_space(attribute);
    for (int i = 0; i < PLACES_MAX; i++) values[i] = value;
    if (H5Sget_simple_extent_npoints(space) <= PLACES_MAX) H5Awrite(attribute, H5T_NATIVE_INT64, values);
    H5Sclose(space);
    H5Aclose(attribute);
}

static void set_values(hid_t file, const char *object, int64_t value)
{
    static int64_t integers[4096];
    static double reals[4096];
    hid_t dataset = H5Dopen2(file, object, H5P_DEFAULT);
    if (dataset < 0) return;
    hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    int64_t count = H5Sget_simple_extent_npoints(space);
    for (int64_t i = 0; i < count && i < 4096; i++) integers[i] = value, memcpy(&reals[i], &value, sizeof value);
    if (count <= 4096 && H5Tget_class(type) == H5T_INTEGER)
        H5Dwrite(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, integers);
    else if (count <= 4096 && H5Tget_class(type) == H5T_FLOAT)
        H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, reals);
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(dataset);
}

static void change_object(hid_t file, const struct operation *operation)
{
    int number = operation->object % OBJECTS;
    const char *object = objects[number], *other = objects[operation->first % OBJECTS];
    bool attribute = number < ATTRIBUTES;
    switch (operation->what % 4) {
    case 0:
        if (attribute)
            set_attribute(file, object, operation->value);
        else
            set_values(file, object, operation->value);
        return;
    case 1: replace(file, object, attribute, operation); return;
    case 2:
        if (attribute)
            H5Adelete(file, object);
        else
            H5Ldelete(file, object, H5P_DEFAULT);
        return;
    default:
        if (attribute)
            H5Arename(file, object, other);
        else
            H5Lmove(file, object, file, other, H5P_DEFAULT, H5P_DEFAULT);
    }
}

/* ---- the checksum made right, by what the format says and not by the code that writes it ---- */

static void repair(struct image *image)
{
    struct front front = {.magic = FRONT_MAGIC,
                          .version = FRONT_VERSION,
                          .length = image->count - FRONT_BYTES,
                          .state = name.state,
                          .record = name.record};
    struct hasher hasher;
    hasher_init(&hasher, "checkpoint");
    hasher_add_hash(&hasher, "state", front.state);
    hasher_add_hash(&hasher, "record", front.record);
    hasher_add_integer(&hasher, "partial", 0);
    hasher_add_hash(&hasher, "content", hash_bytes(image->bytes + FRONT_BYTES, image->count - FRONT_BYTES));
    front.check = hasher_finish(&hasher);
    memcpy(image->bytes, &front, sizeof front);
}

/* Opens the image in memory, applies all operations, and takes it out again. */
static void change_objects(struct image *image, const struct operation *operation, int count)
{
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    void **memory;
    hsize_t size;
    H5Pset_fapl_core(list, 65536, false);
    H5Pset_file_image(list, image->bytes, image->count);
    hid_t file = H5Fopen("image.h5", H5F_ACC_RDWR, list);
    CHECK(file >= 0, "the image cannot be opened");
    for (int i = 0; i < count; i++) change_object(file, &operation[i]);
    CHECK(H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0 && H5Fget_vfd_handle(file, H5P_DEFAULT, (void **)&memory) >= 0 &&
              H5Fget_filesize(file, &size) >= 0,
          "the image cannot be taken");
    if (size <= IMAGE_MOST) { /* else it stays as it was */
        memcpy(image->bytes, *memory, size);
        image->count = size;
    }
    H5Fclose(file);
    H5Pclose(list);
}

/* ---- reading ---- */

static void write_file(const struct image *image)
{
    char file[80];
    snprintf(file, sizeof file, "%s", strstr(input_path(), "r.stages"));
    fuzz_file(0, file, image->bytes, image->count);
}

static void check_state(const struct state *state)
{
    struct state *again = NULL;
    struct error err = {0};
    CHECK(state->floats > 0 && state->shape.width % state->shape.heads == 0, "a state without sense");
    CHECK(state->history.lm_losses >= 0 && state->history.lm_losses <= 2 + PLACES_MAX, "%d losses",
          state->history.lm_losses);
    CHECK(checkpoint_write(results_path(), &name, state, &err) == 0, "%s", err.text);
    CHECK(checkpoint_read(results_path(), &name, &again, &err) == 0, "%s", err.text);
    CHECK(hash_equal(state_hash(state), state_hash(again)), "it is another state after it was written");
    state_destroy(&again);
}

static void try_to_read(bool must_fail)
{
    struct state *state = NULL;
    struct error err = {0};
    if (checkpoint_read(results_path(), &name, &state, &err) != 0) {
        CHECK(err.kind == ERROR_OUTSIDE && !state, "refused with kind %d", (int)err.kind);
        fuzz_refused(&err, "000000000000abcd0000000000001234.h5");
        return;
    }
    CHECK(!must_fail, "a damaged checkpoint was read");
    check_state(state);
    state_destroy(&state);
}

static int operations_of(const uint8_t *bytes, size_t count, struct operation *operation)
{
    int operations = 0;
    for (; count >= OPERATION_BYTES && operations < OPERATIONS_MOST;
         bytes += OPERATION_BYTES, count -= OPERATION_BYTES) {
        struct operation *one = &operation[operations++];
        *one = (struct operation){bytes[0], bytes[1], bytes[2], bytes[3], 0};
        memcpy(&one->value, bytes + 4, sizeof one->value);
    }
    return operations;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct image image;
    struct operation operation[OPERATIONS_MOST];
    if (count < 1) return 0;
    struct memory_count before = fuzz_begin();
    static bool begun;
    if (!begun) atexit(clear_away);
    begun = true;
    hdf_begin();
    const struct image *whole = whole_image(bytes[0] & 1, bytes[0] & 2 ? 2 : 0);
    int operations = operations_of(bytes + 1, count - 1, operation);
    memcpy(image.bytes, whole->bytes, whole->count);
    image.count = whole->count;
    if (bytes[0] & 4) {
        for (int i = 0; i < operations; i++) change_bytes(&image, &operation[i]);
    } else {
        change_objects(&image, operation, operations);
        repair(&image);
    }
    write_file(&image);
    try_to_read(bytes[0] & 4 && (image.count != whole->count || memcmp(image.bytes, whole->bytes, image.count) != 0));
    fuzz_end(before);
    return 0;
}
