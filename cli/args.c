/* SPDX-License-Identifier: MIT */
#include "args.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct option {
    const char *name, *letter, *argument, *commands, *help;
};

static const struct option options[] = {
#include "options.inc"
};
#define N_OPTIONS ((int) (sizeof options / sizeof *options))

static bool serves(const struct option *o, const char *command)
{
    char word[64];
    snprintf(word, sizeof word, " %s ", command);
    return strstr(o->commands, word) != NULL;
}

static const struct option *find(const char *command, const char *text, size_t length, bool letter)
{
    for (int i = 0; i < N_OPTIONS; i++) {
        const char *name = letter ? options[i].letter : options[i].name;
        if (strlen(name) == length && length && !strncmp(name, text, length) && serves(&options[i], command)) return &options[i];
    }
    return NULL;
}

static bool wrong(const struct args *args, const char *text, const char *what)
{
    fprintf(stderr, "framemill %s: %s: %s (see framemill %s --help)\n", args->command, text, what, args->command);
    return false;
}

/* Is the word one of "[this|that]"? Values that may be left out are taken only then. */
static bool is_alternative(const char *alternatives, const char *word)
{
    const size_t length = strlen(word);
    for (const char *p = alternatives + 1; length && *p && *p != ']'; p += strcspn(p, "|]") + (p[strcspn(p, "|]")] == '|'))
        if (!strncmp(p, word, length) && strchr("|]", p[length])) return true;
    return false;
}

bool args_parse(struct args *args, const char *command, int argc, char **argv, int first)
{
    *args = (struct args){.command = command};
    args->word = calloc((size_t) argc + 1, sizeof *args->word);
    args->given = calloc((size_t) argc + 1, sizeof *args->given);
    if (!args->word || !args->given) {
        fprintf(stderr, "framemill: out of memory\n");
        return false;
    }
    bool only_words = false;
    for (int i = first; i < argc; i++) {
        const char *text = argv[i];
        if (only_words || text[0] != '-' || !text[1]) {
            args->word[args->n_words++] = argv[i];
            continue;
        }
        if (!strcmp(text, "--")) {
            only_words = true;
            continue;
        }
        const bool is_long = text[1] == '-';
        const char *name = text + (is_long ? 2 : 1), *equals = is_long ? strchr(name, '=') : NULL;
        const size_t length = equals ? (size_t) (equals - name) : is_long ? strlen(name) : 1;
        const struct option *o = find(command, name, length, !is_long);
        if (!o) return wrong(args, text, "no such option");
        const char *value = equals ? equals + 1 : !is_long && name[1] ? name + 1 : NULL;
        if (!o->argument[0]) {
            if (value) return wrong(args, text, "takes no value");
        } else if (o->argument[0] == '[' && o->argument[strlen(o->argument) - 1] == ']') {
            if (!value && i + 1 < argc && is_alternative(o->argument, argv[i + 1])) value = argv[++i];
            if (value && !is_alternative(o->argument, value)) return wrong(args, text, "takes no such value");
        } else if (!value) {
            if (i + 1 >= argc) return wrong(args, text, "needs a value");
            value = argv[++i];
        }
        args->given[args->n_given].name = o->name;
        args->given[args->n_given++].value = value ? value : "";
    }
    return true;
}

void args_free(struct args *args)
{
    free(args->word);
    free(args->given);
    *args = (struct args){0};
}

const char *args_value(const struct args *args, const char *name)
{
    assert(find(args->command, name, strlen(name), false));
    const char *value = NULL;
    for (int i = 0; i < args->n_given; i++)
        if (!strcmp(args->given[i].name, name)) value = args->given[i].value;
    return value;
}

bool args_flag(const struct args *args, const char *name)
{
    return args_value(args, name) != NULL;
}

bool args_complain(const struct args *args, const char *name, const char *value, const char *wanted)
{
    fprintf(stderr, "framemill %s: --%s %s: not %s\n", args->command, name, value, wanted);
    return false;
}

bool args_int(const struct args *args, const char *name, int low, int high, int otherwise, int *out)
{
    const char *text = args_value(args, name);
    *out = otherwise;
    if (!text) return true;
    char *end, wanted[64];
    errno = 0;
    const long value = strtol(text, &end, 10);
    snprintf(wanted, sizeof wanted, "a number from %d to %d", low, high);
    if (end == text || *end || errno || value < low || value > high) return args_complain(args, name, text, wanted);
    *out = (int) value;
    return true;
}

bool args_number(const struct args *args, const char *name, double low, double high, double otherwise, double *out)
{
    const char *text = args_value(args, name);
    *out = otherwise;
    if (!text) return true;
    char *end, wanted[64];
    const double value = strtod(text, &end);
    snprintf(wanted, sizeof wanted, "a number from %g to %g", low, high);
    if (end == text || *end || !(value >= low && value <= high)) return args_complain(args, name, text, wanted);
    *out = value;
    return true;
}

bool args_bytes(const struct args *args, const char *name, size_t *out)
{
    const char *text = args_value(args, name);
    *out = 0;
    if (!text) return true;
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    int shift = 0;
    if (*end == 'K' || *end == 'k')
        shift = 10, end++;
    else if (*end == 'M' || *end == 'm')
        shift = 20, end++;
    else if (*end == 'G' || *end == 'g')
        shift = 30, end++;
    if (end == text || *end || errno || text[0] == '-' || !value || value > (SIZE_MAX >> shift) / 2)
        return args_complain(args, name, text, "a number of bytes, such as 512M");
    *out = (size_t) value << shift;
    return true;
}

bool args_size(const struct args *args, const char *name, int *w, int *h)
{
    const char *text = args_value(args, name);
    if (!text) return true;
    char *end = NULL, *end2 = NULL;
    const long a = strtol(text, &end, 10);
    const long b = *end == 'x' ? strtol(end + 1, &end2, 10) : 0;
    if (a < 1 || b < 1 || a > 1 << 20 || b > 1 << 20 || !end2 || *end2)
        return args_complain(args, name, text, "a size such as 640x360");
    *w = (int) a;
    *h = (int) b;
    return true;
}

void args_print_options(const char *command)
{
    for (int i = 0; i < N_OPTIONS; i++) {
        if (!serves(&options[i], command)) continue;
        char left[64];
        snprintf(left, sizeof left, "%s%s%s--%s %s", options[i].letter[0] ? "-" : "  ", options[i].letter,
            options[i].letter[0] ? ", " : "  ", options[i].name, options[i].argument);
        printf("  %-34s %s\n", left, options[i].help);
    }
}
