/* SPDX-License-Identifier: MIT */
/* framemill models pull: a network from the web into the cache. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "models.h"

#define SHOW_EVERY_MS 100
#define LINE 79

struct bar {
    bool shown;
    double last_ms;
    char file[256]; /* that the line is about */
};

static void bar_wipe(struct bar *bar)
{
    if (bar->shown) fprintf(stderr, "\r%*s\r", LINE, "");
    bar->shown = false;
}

static int bar_update(void *user, const char *file, uint64_t done, uint64_t total)
{
    struct bar *bar = user;
    const double now = now_ms();
    char text[LINE + 1];
    const bool another = strncmp(bar->file, file, sizeof bar->file - 1) != 0;
    if (!another && done != total && now - bar->last_ms < SHOW_EVERY_MS) return 0;
    bar->last_ms = now;
    snprintf(bar->file, sizeof bar->file, "%s", file);
    if (total)
        snprintf(text, sizeof text, "%.40s  %.1f of %.1f MB  %d %%", file, (double) done / 1e6, (double) total / 1e6,
            (int) (100 * ((double) done / (double) total)));
    else
        snprintf(text, sizeof text, "%.40s  %.1f MB", file, (double) done / 1e6);
    fprintf(stderr, "\r%-*s", LINE, text);
    bar->shown = true;
    return 0;
}

/* What came is looked at: a checksum says that it is what was meant, not that it is a network. */
static int try_network(const char *path)
{
    struct fm_error error = {0};
    fm_model *model = NULL;
    const int code = fm_model_open(path, &model, &error);
    fm_model_unref(&model);
    if (code == FM_OK) return EXIT_DONE;
    fprintf(stderr, "framemill: downloaded, but of no use here: %s\n", error.message);
    return EXIT_BAD_INPUT;
}

int command_models_pull(const struct args *args, const char *what)
{
    struct bar bar = {.shown = false};
    struct fm_error error = {0};
    char path[4096];
    const struct fm_models_pull_params params = {.size = sizeof params,
        .what = what,
        .sha256 = args_value(args, "sha256"),
        .unchecked = args_flag(args, "unchecked"),
        .catalogue = args_value(args, "catalogue"),
        .directory = args_value(args, "output"),
        .overwrite = args_flag(args, "overwrite"),
        .progress = isatty(STDERR_FILENO) ? bar_update : NULL,
        .user = &bar};
    if (args_value(args, "model-dir")) {
        fprintf(stderr, "framemill models: --model-dir is where networks are looked for; pull puts them where -o DIR says\n");
        return EXIT_USAGE;
    }
    const int code = fm_models_pull(&params, path, sizeof path, &error);
    bar_wipe(&bar);
    if (code < 0) {
        const int status = report(&error);
        if (code == FM_ERR_ARGUMENT && strstr(error.message, "there is no checksum"))
            fprintf(stderr, "framemill: --sha256 HEX gives it, --unchecked does without\n");
        return code == FM_ERR_IO || code == FM_ERR_UNSUPPORTED ? EXIT_FAILED : status; /* the network's fault, not the file's */
    }
    printf("%s\n", path);
    return try_network(path);
}
