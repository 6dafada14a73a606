/* SPDX-License-Identifier: MIT */
/* Stands in for libFuzzer where there is none: gives every file below the folders (or files) of the command line to the target. */
#define _GNU_SOURCE
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replayed, unreadable;

static int replay_file(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void) where;
    if (kind != FTW_F) return 0;
    FILE *stream = fopen(path, "rb");
    const size_t size = (size_t) st->st_size;
    uint8_t *data = malloc(size ? size : 1); /* its exact size, so that AddressSanitizer sees a read past the end */
    if (!stream || !data || fread(data, 1, size, stream) != size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        unreadable++;
    } else {
        LLVMFuzzerTestOneInput(data, size);
        replayed++;
    }
    free(data);
    if (stream) fclose(stream);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (nftw(argv[i], replay_file, 16, FTW_PHYS) == 0) continue;
        perror(argv[i]);
        unreadable++;
    }
    printf("%d passed, %d failed, 0 skipped\n", replayed, unreadable);
    return unreadable || !replayed ? EXIT_FAILURE : EXIT_SUCCESS;
}
