/* SPDX-License-Identifier: MIT */
/* What the tests of stills share: pictures made by libvips (linked here, while the library opens it by itself), a folder for
 * them, and reading and writing them whole. */
#ifndef FM_TESTS_STILL_YARD_H
#define FM_TESTS_STILL_YARD_H

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <vips/vips.h>

#include "check.h"
#include "core/alloc.h"
#include "media/still.h"
#include "media/vips_load.h"

static char yard_folder[64];

/* A path in the folder; eight at a time. */
CHECK_UNUSED CHECK_PRINTF(1, 2) static const char *yard_path(const char *format, ...)
{
    static char paths[8][512];
    static int turn;
    char *path = paths[turn++ % 8];
    const int used = snprintf(path, sizeof paths[0], "%s/", yard_folder);
    va_list args;
    va_start(args, format);
    vsnprintf(path + used, sizeof paths[0] - (size_t) used, format, args);
    va_end(args);
    return path;
}

/* libvips as the library starts it: without modules but those it opens. False when it is not there, which is a failure here. */
CHECK_UNUSED static bool yard_open(void)
{
    struct fm_error error = {0};
    snprintf(yard_folder, sizeof yard_folder, "/tmp/framemill-still-XXXXXX");
    if (!mkdtemp(yard_folder)) return false;
    const bool good = vips_load(&error) == FM_OK && vips_load_module("vips-heif", "heifsave", &error) == FM_OK &&
                      vips_load_module("vips-jxl", "jxlsave", &error) == FM_OK;
    if (!good) fprintf(stderr, "%s\n", error.message);
    return good;
}

/* Removes the folder; how many files had names that begin with a dot (temporary ones that were left). */
CHECK_UNUSED static int yard_close(void)
{
    int left = 0;
    DIR *folder = opendir(yard_folder);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (entry->d_name[0] == '.') left++;
        const char *path = yard_path("%s", entry->d_name);
        if (unlink(path) != 0) rmdir(path);
    }
    if (folder) closedir(folder);
    rmdir(yard_folder);
    return left;
}

CHECK_UNUSED static int yard_count_hidden(void)
{
    int count = 0;
    DIR *folder = opendir(yard_folder);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] == '.' && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) count++;
    if (folder) closedir(folder);
    return count;
}

/* Samples with every kind of detail: smooth, noisy, flat. Pure function of its arguments. */
CHECK_UNUSED static int yard_sample(int x, int y, int channel, int bits)
{
    uint32_t h = (uint32_t) x * 2654435761u ^ (uint32_t) y * 2246822519u ^ (uint32_t) channel * 3266489917u;
    h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
    const int noise = (x / 16 + y / 8) % 3 == 0 ? (int) (h % 97) : 0;
    const int v = (x * 3 + y * 5 + channel * 40 + noise) % 256;
    return bits == 8 ? v : v * 256 + (int) (h >> 24);
}

struct picture {
    struct pixel_format format;
    int width, height;
    size_t size;
    uint8_t *data; /* dense rows */
};

CHECK_UNUSED static struct picture yard_picture(int width, int height, int channels, int bits)
{
    struct picture p = {.format = {channels, bits}, .width = width, .height = height};
    p.size = (size_t) width * (size_t) height * pixel_bytes(p.format);
    p.data = malloc(p.size);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++) {
                const size_t at = ((size_t) y * (size_t) width + (size_t) x) * (size_t) channels + (size_t) c;
                const int v = yard_sample(x, y, c, bits);
                if (bits == 8)
                    p.data[at] = (uint8_t) v;
                else
                    ((uint16_t *) (void *) p.data)[at] = (uint16_t) v;
            }
    return p;
}

CHECK_UNUSED static VipsImage *yard_image(const struct picture *p)
{
    const bool wide = p->format.bits == 16, grey = p->format.channels < 3;
    VipsImage *memory = vips_image_new_from_memory_copy(
        p->data, p->size, p->width, p->height, p->format.channels, wide ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);
    VipsImage *image = NULL;
    if (memory)
        vips_copy(memory, &image, "interpretation",
            grey   ? wide ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W
            : wide ? VIPS_INTERPRETATION_RGB16
                   : VIPS_INTERPRETATION_sRGB,
            NULL);
    g_clear_object(&memory);
    return image;
}

/* Saves by libvips; name may end in its options: "a.tif[compression=lzw]". */
CHECK_UNUSED static bool yard_save(VipsImage *image, const char *name)
{
    const bool good = image && vips_image_write_to_file(image, yard_path("%s", name), NULL) == 0;
    if (!good) fprintf(stderr, "%s: %s\n", name, vips_error_buffer());
    vips_error_clear();
    return good;
}

CHECK_UNUSED static bool yard_make(const char *name, int width, int height, int channels, int bits)
{
    struct picture p = yard_picture(width, height, channels, bits);
    VipsImage *image = yard_image(&p);
    const bool good = yard_save(image, name);
    g_clear_object(&image);
    free(p.data);
    return good;
}

/* Reads whole, `step` rows at a time. On failure data is NULL. */
CHECK_UNUSED static int yard_read(const char *path, int step, struct picture *out, struct still_info *info, struct fm_error *error)
{
    struct still_reader *reader = NULL;
    *out = (struct picture){0};
    int code = still_open(path, &reader, info, error);
    if (code != FM_OK) return code;
    out->format = info->format;
    out->width = info->width;
    out->height = info->height;
    out->size = (size_t) info->width * (size_t) info->height * pixel_bytes(info->format);
    out->data = malloc(out->size);
    struct band band = {0};
    for (int y = 0; code == FM_OK && y < info->height; y += step) {
        const int y1 = y + step < info->height ? y + step : info->height;
        code = band_reserve(&band, info->format, info->width, y, y1);
        if (code == FM_OK) code = still_read(reader, &band, y, y1, error);
        if (code == FM_OK) memcpy(out->data + (size_t) y * band_stride(&band), band.data, (size_t) (y1 - y) * band_stride(&band));
    }
    band_release(&band);
    still_close(&reader);
    if (code == FM_OK) return code;
    free(out->data);
    out->data = NULL;
    return code;
}

/* A puller over a picture in memory: chunks of changing height, copied so that one is gone when the next comes. */
struct yard_pull {
    const struct picture *picture;
    int y, fail_at; /* fail_at: the row where it fails with FM_ERR_DEVICE, or 0 */
    uint8_t *chunk;
    int calls;
};

CHECK_UNUSED static int yard_pull(void *user, const uint8_t **data, int *rows)
{
    struct yard_pull *p = user;
    const size_t stride = (size_t) p->picture->width * pixel_bytes(p->picture->format);
    int count = 1 + p->calls++ * 7 % 23;
    if (count > *rows) count = *rows;
    if (p->fail_at && p->y + count > p->fail_at) return FM_ERR_DEVICE;
    free(p->chunk);
    p->chunk = malloc(stride * (size_t) count);
    memcpy(p->chunk, p->picture->data + (size_t) p->y * stride, stride * (size_t) count);
    p->y += count;
    *data = p->chunk;
    *rows = count;
    return FM_OK;
}

CHECK_UNUSED static struct still_write_params yard_params(const struct picture *p, const char *format)
{
    return (struct still_write_params){
        .format = format, .width = p->width, .height = p->height, .pixels = p->format, .compression = -1, .overwrite = true};
}

CHECK_UNUSED static int yard_write(const char *path, const struct picture *p, const struct still_meta *meta,
    const struct still_write_params *params, struct fm_error *error)
{
    struct yard_pull pull = {.picture = p};
    uint64_t bytes = 0;
    struct stat st;
    const int code = still_write(path, meta, params, yard_pull, &pull, &bytes, error);
    free(pull.chunk);
    if (code == FM_OK) CHECK_MSG(stat(path, &st) == 0 && (uint64_t) st.st_size == bytes, "%s: size of the file", path);
    return code;
}

/* As libvips sees the file: an independent witness. */
CHECK_UNUSED static struct picture yard_witness(const char *path)
{
    struct picture p = {0};
    VipsImage *image = vips_image_new_from_file(path, NULL);
    if (!image) {
        fprintf(stderr, "%s: %s\n", path, vips_error_buffer());
        vips_error_clear();
        return p;
    }
    p.width = image->Xsize;
    p.height = image->Ysize;
    p.format = (struct pixel_format){image->Bands, image->BandFmt == VIPS_FORMAT_USHORT ? 16 : 8};
    void *data = vips_image_write_to_memory(image, &p.size);
    p.data = malloc(p.size);
    memcpy(p.data, data, p.size);
    g_free(data);
    g_object_unref(image);
    return p;
}

CHECK_UNUSED static uint8_t *yard_slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    *size = 0;
    if (!f || fstat(fileno(f), &st) != 0) return NULL;
    uint8_t *data = malloc((size_t) st.st_size + 1);
    *size = fread(data, 1, (size_t) st.st_size, f);
    fclose(f);
    return data;
}

CHECK_UNUSED static void yard_dump(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!CHECK(f)) return;
    CHECK_INT(fwrite(data, 1, size, f), size);
    fclose(f);
}

#endif
