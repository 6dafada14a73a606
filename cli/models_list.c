/* SPDX-License-Identifier: MIT */
/* framemill models list: the networks of this machine, a line for each. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "json.h"
#include "models.h"

#define OPENED_BYTES_MAX (64 << 20) /* larger networks are listed without a look inside */

struct list {
    bool json;
    int n;
};

struct facts {
    bool known;
    struct fm_model_info info;
    char format[32];
    char fault[FM_ERROR_MESSAGE_MAX]; /* why the network cannot be used; "" */
};

static void look_inside(const char *path, struct facts *facts)
{
    struct stat st;
    struct fm_error error = {0};
    fm_model *model = NULL;
    *facts = (struct facts){.info.size = sizeof facts->info};
    if (stat(path, &st) == 0 && st.st_size > OPENED_BYTES_MAX) return;
    if (fm_model_open(path, &model, &error) == FM_OK && fm_model_get_info(model, NULL, &facts->info, &error) == FM_OK) {
        facts->known = true;
        snprintf(facts->format, sizeof facts->format, "%s", facts->info.format);
    } else {
        snprintf(facts->fault, sizeof facts->fault, "%s", error.message);
    }
    fm_model_unref(&model);
}

static double scale_of(const struct facts *facts)
{
    return facts->known && facts->info.scale_den > 0 ? (double) facts->info.scale_num / facts->info.scale_den : 0;
}

static void print_json(const char *name, const char *path, const char *where, bool shadowed, const struct facts *facts)
{
    printf("{");
    json_member(stdout, "name", name);
    printf(", ");
    json_member(stdout, "where", where);
    printf(", \"shadowed\": %s, ", shadowed ? "true" : "false");
    json_member(stdout, "format", facts->known ? facts->format : NULL);
    printf(", \"scale\": ");
    if (scale_of(facts) > 0)
        json_number(stdout, scale_of(facts), 3);
    else
        printf("null");
    if (facts->known)
        printf(", \"parameters\": %lld, ", (long long) facts->info.parameters);
    else
        printf(", \"parameters\": null, ");
    json_member(stdout, "error", facts->fault[0] ? facts->fault : NULL);
    printf(", ");
    json_member(stdout, "path", path);
    printf("}\n");
}

/* A file's name can hold what a terminal would obey. */
static const char *harmless(const char *from, char *to, size_t size)
{
    snprintf(to, size, "%s", from);
    for (unsigned char *c = (unsigned char *) to; *c; c++) {
        if (*c < 0x20 || *c == 0x7f) *c = '?';
        if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) c[0] = c[1] = '?';
    }
    return to;
}

static const char *count_text(int64_t n, char *text, size_t size)
{
    if (n < 10000)
        snprintf(text, size, "%d", (int) n);
    else if (n < 10000000)
        snprintf(text, size, "%.0fk", (double) n / 1e3);
    else
        snprintf(text, size, "%.1fM", (double) n / 1e6);
    return text;
}

static int list_one(void *user, const char *name, const char *path, const char *where, bool shadowed)
{
    struct list *list = user;
    struct facts facts;
    char name_text[256], path_text[4096], scale[16] = "-", count[24] = "-";
    look_inside(path, &facts);
    if (list->json) {
        print_json(name, path, where, shadowed, &facts);
        return 0;
    }
    if (!list->n++) printf("%-32s %-6s %-10s %-9s %s\n", "name", "scale", "parameters", "where", "path");
    if (scale_of(&facts) > 0) snprintf(scale, sizeof scale, "x%.4g", scale_of(&facts));
    if (facts.known) count_text(facts.info.parameters, count, sizeof count);
    printf("%-32s %-6s %-10s %-9s %s%s\n", harmless(name, name_text, sizeof name_text), scale, count, where,
        harmless(path, path_text, sizeof path_text), shadowed ? "  (hidden by the one above)" : "");
    if (facts.fault[0]) printf("    cannot be used: %s\n", facts.fault);
    return 0;
}

int command_models_list(const struct args *args)
{
    struct list list = {.json = args_flag(args, "json")};
    struct fm_error error = {0};
    if (fm_models_each(args_value(args, "model-dir"), list_one, &list, &error) < 0) return report(&error);
    if (!list.n && !list.json) fprintf(stderr, "framemill: no networks found; framemill models pull URL brings one\n");
    return EXIT_DONE;
}
