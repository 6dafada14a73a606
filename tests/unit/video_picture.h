/* SPDX-License-Identifier: MIT */
/* Video frames for tests: planes in memory of their own that ends with them, rows apart by more than they are long. */
#ifndef FM_TESTS_VIDEO_PICTURE_H
#define FM_TESTS_VIDEO_PICTURE_H

#include "frame/video.h"
#include "picture.h"

CHECK_UNUSED static int video_most(struct video_format f)
{
    return (1 << f.bits) - 1;
}

CHECK_UNUSED static int video_get(const struct video_frame *f, int plane, int x, int y)
{
    const uint8_t *p = f->plane[plane] + y * f->stride[plane] + (ptrdiff_t) x * video_sample_bytes(f->format);
    uint16_t wide;
    if (f->format.bits == 8) return *p;
    memcpy(&wide, p, sizeof wide);
    return wide;
}

CHECK_UNUSED static void video_put(struct video_frame *f, int plane, int x, int y, int v)
{
    uint8_t *p = f->plane[plane] + y * f->stride[plane] + (ptrdiff_t) x * video_sample_bytes(f->format);
    const uint16_t wide = (uint16_t) v;
    if (f->format.bits == 8)
        *p = (uint8_t) v;
    else
        memcpy(p, &wide, sizeof wide);
}

/* Every byte 0xa5. */
CHECK_UNUSED static struct video_frame video_blank(struct video_format format, int width, int height)
{
    struct video_frame f = {.format = format, .width = width, .height = height};
    const int bytes = video_sample_bytes(format);
    for (int p = 0; p < video_planes(format); p++) {
        const int w = video_plane_width(format, width, p), h = video_plane_height(format, height, p);
        f.stride[p] = (ptrdiff_t) (w + 3 * (p + 1)) * bytes;
        const size_t size = (size_t) (f.stride[p] * (h - 1) + (ptrdiff_t) w * bytes);
        f.plane[p] = malloc(size);
        if (!f.plane[p]) abort();
        memset(f.plane[p], 0xa5, size);
    }
    return f;
}

CHECK_UNUSED static struct video_frame video_noise(struct video_format format, int width, int height, uint64_t *random)
{
    struct video_frame f = video_blank(format, width, height);
    for (int p = 0; p < video_planes(format); p++)
        for (int y = 0; y < video_plane_height(format, height, p); y++)
            for (int x = 0; x < video_plane_width(format, width, p); x++)
                video_put(&f, p, x, y, (int) (picture_random(random) & (uint64_t) video_most(format)));
    return f;
}

CHECK_UNUSED static void video_free(struct video_frame *f)
{
    for (int p = 0; p < VIDEO_PLANES_MAX; p++) free(f->plane[p]);
    *f = (struct video_frame){0};
}

/* Samples `at` of a plane are the same in both. */
CHECK_UNUSED static bool video_same(
    const struct video_frame *a, const struct video_frame *b, int plane, struct rect at, const char *what)
{
    for (int y = at.y; y < at.y + at.h; y++)
        for (int x = at.x; x < at.x + at.w; x++)
            if (!CHECK_MSG(video_get(a, plane, x, y) == video_get(b, plane, x, y), "%s: plane %d, %d, %d is %d, must be %d", what,
                    plane, x, y, video_get(a, plane, x, y), video_get(b, plane, x, y)))
                return false;
    return true;
}

CHECK_UNUSED static struct rect video_plane_whole(const struct video_frame *f, int plane)
{
    return rect_whole(video_plane_width(f->format, f->width, plane), video_plane_height(f->format, f->height, plane));
}

/* Where chroma lies in a cell of two luma samples, from its left or upper edge in such samples; written out for what is tested. */
CHECK_UNUSED static double video_site_x(struct video_format f, int plane)
{
    if (!video_is_chroma(f, plane)) return 0.5;
    return f.siting == VIDEO_SITING_LEFT || f.siting == VIDEO_SITING_TOPLEFT || f.siting == VIDEO_SITING_BOTTOMLEFT ? 0.5 : 1;
}
CHECK_UNUSED static double video_site_y(struct video_format f, int plane)
{
    if (!video_is_chroma(f, plane) || f.layout == VIDEO_422) return 0.5;
    return f.siting == VIDEO_SITING_TOPLEFT || f.siting == VIDEO_SITING_TOP         ? 0.5
           : f.siting == VIDEO_SITING_BOTTOMLEFT || f.siting == VIDEO_SITING_BOTTOM ? 1.5
                                                                                    : 1;
}

#endif
