/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/still_save.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "media/still_colour.h"
#include "media/still_finish.h"
#include "media/still_meta.h"
#include "media/vips_load.h"

/* Rows as they come from the caller. libvips asks from a thread of its own, with one thread and so in order. */
struct feed {
    pthread_mutex_t lock;
    still_pull pull;
    void *user;
    int width, height, round_bits; /* round_bits: samples are written with that many bits (0: all) */
    struct pixel_format format;
    const uint8_t *rows; /* [y0, y1) */
    int y0, y1;
    int code; /* the puller's answer when it failed */
};

static int pull_more(struct feed *f)
{
    int rows = f->height - f->y1;
    const uint8_t *data = NULL;
    f->code = f->pull(f->user, &data, &rows);
    if (f->code < 0) return -1;
    f->code = FM_OK;
    if (rows < 1 || rows > f->height - f->y1 || !data) {
        f->code = FM_ERR_ARGUMENT;
        return -1;
    }
    f->y0 = f->y1;
    f->y1 += rows;
    f->rows = data;
    return 0;
}

/* The saver cuts samples down to its bits; rounded ones survive that as the nearest. */
static void round_to_bits(uint16_t *samples, size_t count, int bits)
{
    const uint32_t top = (1u << bits) - 1;
    for (size_t i = 0; i < count; i++) samples[i] = (uint16_t) ((samples[i] * top + 32767u) / 65535u << (16 - bits));
}

static int generate(VipsRegion *region, void *sequence, void *a, void *b, gboolean *stop)
{
    struct feed *f = a;
    const VipsRect *wanted = &region->valid;
    int status = 0;
    (void) sequence, (void) b, (void) stop;
    pthread_mutex_lock(&f->lock);
    const size_t pixel = pixel_bytes(f->format), length = (size_t) wanted->width * pixel;
    for (int y = wanted->top; status == 0 && y < wanted->top + wanted->height; y++) {
        while (status == 0 && y >= f->y1 && f->code == FM_OK) status = pull_more(f);
        if (f->code != FM_OK || y < f->y0) {
            if (f->code == FM_OK) vl.vips_error("framemill", "rows are asked for out of order");
            status = -1;
            break;
        }
        uint8_t *to = region->data + (size_t) (y - wanted->top) * (size_t) VIPS_REGION_LSKIP(region);
        memcpy(to, f->rows + ((size_t) (y - f->y0) * (size_t) f->width + (size_t) wanted->left) * pixel, length);
        if (f->round_bits) round_to_bits((uint16_t *) (void *) to, length / 2, f->round_bits);
    }
    pthread_mutex_unlock(&f->lock);
    return status;
}

static VipsImage *make_image(struct feed *f, const struct still_meta *meta)
{
    const bool wide = f->format.bits == 16, grey = pixel_colours(f->format) == 1;
    const VipsInterpretation space = grey   ? wide ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W
                                     : wide ? VIPS_INTERPRETATION_RGB16
                                            : VIPS_INTERPRETATION_sRGB;
    VipsImage *image = vl.vips_image_new();
    if (!image) return NULL;
    double x, y;
    still_meta_resolution(meta, &x, &y);
    vl.vips_image_init_fields(image, f->width, f->height, f->format.channels, wide ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR,
        VIPS_CODING_NONE, space, x, y);
    still_meta_apply(meta, image);
    vl.vips_image_set_int(image, VIPS_META_CONCURRENCY, 1);
    if (vl.vips_image_pipelinev(image, VIPS_DEMAND_STYLE_THINSTRIP, NULL) == 0 &&
        vl.vips_image_generate(image, NULL, generate, NULL, f, NULL) == 0)
        return image;
    vl.g_object_unref(image);
    return NULL;
}

static int or_default(int quality, int otherwise)
{
    return quality ? quality : otherwise;
}

static int save_jpeg(VipsImage *image, VipsTarget *target, const struct still_write_params *p)
{
    return vl.vips_jpegsave_target(image, target, "Q", or_default(p->quality, 95), NULL);
}

static int save_webp(VipsImage *image, VipsTarget *target, const struct still_write_params *p)
{
    const int quality = or_default(p->quality, 92);
    return vl.vips_webpsave_target(image, target, "Q", quality, "lossless", quality == 100, "effort", 2, NULL);
}

/* LZW is three times as fast as Deflate and a tenth larger; on 16 bits it makes photographs larger than they were. Both may grow
 * what does not shrink: files that could pass 4 GB are of the kind that may. */
static int save_tiff(VipsImage *image, VipsTarget *target, const struct still_write_params *p)
{
    const bool wide = p->pixels.bits == 16;
    const double most = (wide ? 1.01 : 1.5) * p->width * p->height * (double) pixel_bytes(p->pixels);
    return vl.vips_tiffsave_target(image, target, "compression",
        wide ? VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE : VIPS_FOREIGN_TIFF_COMPRESSION_LZW, "predictor",
        VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL, "bigtiff", most > 4.2e9, NULL);
}

static int save_heif(VipsImage *image, VipsTarget *target, const struct still_write_params *p)
{
    const bool av1 = strcmp(p->format, "avif") == 0;
    const int quality = or_default(p->quality, 80);
    return vl.vips_heifsave_target(image, target, "compression",
        av1 ? VIPS_FOREIGN_HEIF_COMPRESSION_AV1 : VIPS_FOREIGN_HEIF_COMPRESSION_HEVC, "Q", quality, "lossless", quality == 100,
        "bitdepth", p->pixels.bits == 16 ? 12 : 8, "effort", 2, NULL);
}

static int save_jxl(VipsImage *image, VipsTarget *target, const struct still_write_params *p)
{
    const int quality = or_default(p->quality, 92);
    return vl.vips_jxlsave_target(image, target, "Q", quality, "lossless", quality == 100, "effort", 3, NULL);
}

static int save_ppm(VipsImage *image, VipsTarget *target, const struct still_write_params *p)
{
    return vl.vips_ppmsave_target(
        image, target, "format", p->pixels.channels == 1 ? VIPS_FOREIGN_PPM_FORMAT_PGM : VIPS_FOREIGN_PPM_FORMAT_PPM, NULL);
}

static const struct saver {
    const char *format;
    int (*save)(VipsImage *image, VipsTarget *target, const struct still_write_params *p);
    const char *module, *operation; /* to be opened first, or NULL */
    int bits;                       /* that 16-bit samples are cut down to, 0: none */
    bool rgb_only;
} savers[] = {
    {"jpeg", save_jpeg, NULL, NULL, 0, false},
    {"webp", save_webp, NULL, NULL, 0, true},
    {"tiff", save_tiff, NULL, NULL, 0, false},
    {"avif", save_heif, "vips-heif", "heifsave_target", 12, true},
    {"heic", save_heif, "vips-heif", "heifsave_target", 12, true},
    {"jxl", save_jxl, "vips-jxl", "jxlsave_target", 0, true}, /* libvips 8.14 comes to grief over grey */
    {"ppm", save_ppm, NULL, NULL, 0, false},
};

static int failed(const struct feed *f, const char *path, struct fm_error *error)
{
    char reason[320];
    vips_load_reason(reason, sizeof reason);
    if (f->code == FM_ERR_ARGUMENT) return core_fail(error, FM_ERR_ARGUMENT, "%s: its rows do not add up", path);
    if (f->code != FM_OK) return f->code;
    return core_fail(error, FM_ERR_IO, "%s: cannot be written%s%s", path, *reason ? ": " : "", reason);
}

/* x265 refuses some shapes (very wide and low) and libheif then writes a file without a picture, with no word of it. */
static int check_heif(int fd, const char *path, const struct still_write_params *p, struct fm_error *error)
{
    VipsImage *image = NULL;
    VipsSource *source = lseek(fd, 0, SEEK_SET) == 0 ? vl.vips_source_new_from_descriptor(fd) : NULL;
    const bool good = source && vl.vips_heifload_source(source, &image, NULL) == 0 && vl.vips_image_get_width(image) == p->width &&
                      vl.vips_image_get_height(image) == p->height;
    if (image) vl.g_object_unref(image);
    if (source) vl.g_object_unref(source);
    if (good) return FM_OK;
    vl.vips_error_clear();
    return core_fail(error, FM_ERR_UNSUPPORTED, "%s: the %s encoder does not take a picture of %d x %d pixels", path, p->format,
        p->width, p->height);
}

int still_save(int fd, const char *path, const struct still_meta *meta, const struct still_write_params *params, still_pull pull,
    void *user, struct fm_error *error)
{
    const struct saver *saver = savers;
    while (strcmp(saver->format, params->format) != 0) saver++; /* the format has been checked */
    if (saver->module && vips_load_module(saver->module, saver->operation, error) != FM_OK) {
        core_fail_prefix(error, "%s", path);
        return FM_ERR_UNSUPPORTED;
    }
    struct feed feed = {.pull = pull,
        .user = user,
        .width = params->width,
        .height = params->height,
        .format = params->pixels,
        .round_bits = params->pixels.bits == 16 ? saver->bits : 0};
    pthread_mutex_init(&feed.lock, NULL);
    vl.vips_error_clear();
    VipsImage *image = make_image(&feed, meta);
    VipsTarget *target = image ? vl.vips_target_new_to_descriptor(fd) : NULL;
    int status = target ? 0 : -1;
    if (status == 0 && saver->rgb_only) status = still_colour_grey_to_rgb(&image);
    /* Rows are pulled on threads of libvips, which hand over in ways that a race detector does not see: the lock shows it. */
    pthread_mutex_lock(&feed.lock);
    pthread_mutex_unlock(&feed.lock);
    if (status == 0) status = saver->save(image, target, params);
    pthread_mutex_lock(&feed.lock);
    pthread_mutex_unlock(&feed.lock);
    int code = status == 0 ? FM_OK : failed(&feed, path, error);
    if (code == FM_OK && saver->save == save_heif) code = check_heif(fd, path, params, error);
    if (code == FM_OK && saver->save == save_tiff) code = still_finish_tiff(fd, path, meta, params->width, params->height, error);
    if (code == FM_OK && saver->save == save_jxl) code = still_finish_jxl(fd, path, meta, params->width, params->height, error);
    if (target) vl.g_object_unref(target);
    if (image) vl.g_object_unref(image);
    pthread_mutex_destroy(&feed.lock);
    return code;
}
