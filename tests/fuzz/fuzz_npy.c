/* SPDX-License-Identifier: MIT */
/* .npy files: whatever is read without error is an array whose elements are all there, and stays one in every other type. */
#include "../../cli/npy.c" /* the program's own files are in no library */
#include "../../cli/npy_convert.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fm_error error = {.code = FM_OK};
    struct fm_tensor tensor;
    uint8_t *exact = malloc(size + !size);
    if (!exact) return 0;
    if (size) memcpy(exact, data, size);
    const int rc = npy_parse(exact, size, "fuzz.npy", &tensor, &error);
    free(exact);
    if (rc) {
        if (rc != (int) error.code || !error.message[0] || tensor.data) abort();
        return 0;
    }
    const int64_t n = fm_tensor_count(&tensor);
    if (!tensor.data || n < 0 || tensor.rank < 0 || tensor.rank > FM_MAX_RANK) abort();
    volatile uint8_t sum = 0; /* a missing element is a bad read here */
    for (size_t i = 0; i < (size_t) n * fm_dtype_size(tensor.dtype); i++) sum = (uint8_t) (sum + ((uint8_t *) tensor.data)[i]);
    for (int to = FM_F32; to < FM_DTYPE_COUNT; to++) npy_convert(&tensor, (enum fm_dtype) to, "fuzz.npy", &error);
    npy_free(&tensor);
    return 0;
}
