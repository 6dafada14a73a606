/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/sniff.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "media/sniff_animation.h"

enum { HEAD = 64 };

/* Signatures of what is not read, so that the message can say what it is. */
static const struct {
    int offset;
    const char *bytes;
    int length;
    const char *what;
} others[] = {
    {0, "%PDF", 4, "a PDF document"},
    {0, "%!PS", 4, "a PostScript document"},
    {0, "8BPS", 4, "a Photoshop document"},
    {0, "gimp xcf", 8, "a GIMP document"},
    {0, "BM", 2, "a Windows bitmap"},
    {0, "\x76\x2f\x31\x01", 4, "an OpenEXR picture (32-bit float)"},
    {0, "#?RADIANCE", 10, "a Radiance picture (32-bit float)"},
    {0, "PF", 2, "a PFM picture (32-bit float)"},
    {0, "Pf", 2, "a PFM picture (32-bit float)"},
    {0, "P7", 2, "a PAM picture"},
    {0, "\0\0\0\x0cjP  \r\n", 10, "a JPEG 2000 picture"},
    {0, "\xff\x4f\xff\x51", 4, "a JPEG 2000 picture"},
    {0, "II\xbc", 3, "a JPEG XR picture"},
    {0, "SIMPLE  =", 9, "a FITS picture"},
    {0, "qoif", 4, "a QOI picture"},
    {0, "DDS ", 4, "a DirectDraw surface"},
    {0, "icns", 4, "an Apple icon"},
    {0, "\0\0\1\0", 4, "a Windows icon"},
    {0, "<svg", 4, "an SVG drawing"},
    {0, "<?xml", 5, "an XML document"},
    {0, "<!DOCTYPE", 9, "an HTML or XML document"},
    {0, "<html", 5, "an HTML document"},
    {0, "PK\3\4", 4, "a ZIP archive"},
    {0, "\x1f\x8b", 2, "a gzip archive"},
    {0, "\x1a\x45\xdf\xa3", 4, "a Matroska or WebM video"},
    {0, "OggS", 4, "an Ogg stream"},
    {0, "FLV", 3, "a Flash video"},
    {0, "\0\0\1\xba", 4, "an MPEG video"},
    {0, "\0\0\1\xb3", 4, "an MPEG video"},
    {8, "AVI ", 4, "an AVI video"},
    {8, "WAVE", 4, "a WAVE sound"},
    {0, "FUJIFILMCCD-RAW", 15, "a camera's raw file"},
};

static bool has(const uint8_t *head, int offset, const char *bytes, int length)
{
    return memcmp(head + offset, bytes, (size_t) length) == 0;
}

static int unsupported(const char *path, const char *what, struct fm_error *error)
{
    return core_fail(error, FM_ERR_UNSUPPORTED, "%s: is %s, which is not read here", path, what);
}

/* ISO base media: the brands in the ftyp box tell pictures from films. The box is `size` bytes; those past the head do not matter,
 * writers put the telling ones first. */
static int iso_media(const char *path, const uint8_t *head, int size, struct sniff *out, struct fm_error *error)
{
    bool avif = false, heif = false;
    if (out->size < 16) return core_fail(error, FM_ERR_FORMAT, "%s: is cut short", path);
    if (has(head, 8, "avis", 4) || has(head, 8, "msf1", 4) || has(head, 8, "hevc", 4) || has(head, 8, "hevx", 4))
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s: is an image sequence: stills only, videos are another command's", path);
    for (int at = 8; at + 4 <= size && at + 4 <= HEAD; at += at == 8 ? 8 : 4) {
        const uint8_t *brand = head + at;
        if (memcmp(brand, "avif", 4) == 0) avif = true;
        if (memcmp(brand, "heic", 4) == 0 || memcmp(brand, "heix", 4) == 0 || memcmp(brand, "heim", 4) == 0 ||
            memcmp(brand, "heis", 4) == 0 || memcmp(brand, "mif1", 4) == 0 || memcmp(brand, "mif2", 4) == 0)
            heif = true;
    }
    if (!avif && !heif) return unsupported(path, has(head, 8, "crx ", 4) ? "a camera's raw file" : "a video", error);
    out->kind = avif ? SNIFF_AVIF : SNIFF_HEIF;
    out->name = avif ? "avif" : "heif";
    return FM_OK;
}

static int classify(const char *path, const uint8_t *head, struct sniff *out, struct fm_error *error)
{
    static const struct {
        const char *bytes;
        int length;
        enum sniff_kind kind;
        const char *name;
    } known[] = {
        {"\x89PNG\r\n\x1a\n", 8, SNIFF_PNG, "png"},
        {"\xff\xd8\xff", 3, SNIFF_JPEG, "jpeg"},
        {"II*\0", 4, SNIFF_TIFF, "tiff"},
        {"MM\0*", 4, SNIFF_TIFF, "tiff"},
        {"II+\0\x08\0", 6, SNIFF_TIFF, "tiff"},
        {"MM\0+\0\x08", 6, SNIFF_TIFF, "tiff"},
        {"GIF87a", 6, SNIFF_GIF, "gif"},
        {"GIF89a", 6, SNIFF_GIF, "gif"},
        {"\xff\x0a", 2, SNIFF_JXL, "jxl"},
        {"\0\0\0\x0cJXL \r\n\x87\n", 12, SNIFF_JXL, "jxl"},
    };
    if (has(head, 0, "II*\0", 4) && has(head, 8, "CR", 2)) return unsupported(path, "a camera's raw file", error);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!has(head, 0, known[i].bytes, known[i].length)) continue;
        out->kind = known[i].kind;
        out->name = known[i].name;
        return FM_OK;
    }
    if (has(head, 0, "RIFF", 4) && has(head, 8, "WEBP", 4)) {
        out->kind = SNIFF_WEBP;
        out->name = "webp";
        return FM_OK;
    }
    if (has(head, 4, "ftyp", 4)) {
        const uint32_t size = (uint32_t) head[0] << 24 | (uint32_t) head[1] << 16 | (uint32_t) head[2] << 8 | head[3];
        return iso_media(path, head, size > HEAD ? HEAD : (int) size, out, error);
    }
    if (head[0] == 'P' && head[1] >= '1' && head[1] <= '6' && (strchr(" \t\r\n#", head[2]) && head[2])) {
        if (head[1] < '4')
            return unsupported(path, "a PNM picture in plain digits", error); /* libvips does not see when digits are missing */
        out->kind = SNIFF_PPM;
        out->bitmap = head[1] == '4';
        out->name = "ppm";
        return FM_OK;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (has(head, others[i].offset, others[i].bytes, others[i].length)) return unsupported(path, others[i].what, error);
    return core_fail(error, FM_ERR_FORMAT, "%s: is no picture of a kind that is known", path);
}

static int look(const char *path, int fd, struct sniff *out, struct fm_error *error)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return core_fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) return core_fail(error, FM_ERR_IO, "%s: is a directory", path);
    if (!S_ISREG(st.st_mode)) return core_fail(error, FM_ERR_IO, "%s: is not a regular file", path);
    if (st.st_size == 0) return core_fail(error, FM_ERR_FORMAT, "%s: is empty", path);

    uint8_t head[HEAD] = {0};
    const ssize_t got = pread(fd, head, sizeof head, 0);
    if (got < 0) return core_fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
    out->size = st.st_size;
    const int code = classify(path, head, out, error);
    if (code != FM_OK) return code;

    int frames = 1;
    if (out->kind == SNIFF_PNG) {
        out->interlaced = head[28] != 0;
        frames = sniff_png_frames(fd, st.st_size);
    } else if (out->kind == SNIFF_JXL && sniff_jxl_is_animated(fd, st.st_size)) {
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s: is animated: stills only, videos are another command's", path);
    }
    if (frames > 1)
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s: has %d frames: stills only, videos are another command's", path, frames);
    return FM_OK;
}

int sniff_open(const char *path, int *fd, struct sniff *out, struct fm_error *error)
{
    *out = (struct sniff){0};
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hang us */
    if (*fd < 0) return core_fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
    const int code = look(path, *fd, out, error);
    if (code == FM_OK) return FM_OK;
    close(*fd);
    *fd = -1;
    return code;
}
