/* SPDX-License-Identifier: MIT */
/* The command line, taken apart by the table that docs/options makes. */
#ifndef FM_CLI_ARGS_H
#define FM_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_BAD_INPUT = 3 };

struct args {
    const char *command;  /* "run" */
    char **word;          /* what is no option, in order */
    int n_words;
    struct { const char *name, *value; } *given; /* options in order; value NULL for flags */
    int n_given;
};

/* Reads argv[first..]. False after printing what is wrong. The strings stay argv's. */
bool args_parse(struct args *args, const char *command, int argc, char **argv, int first);
void args_free(struct args *args);

/* The value of an option (the last one given), or NULL; flags give "". Asking for an option that docs/options lacks is our mistake. */
const char *args_value(const struct args *args, const char *name);
bool args_flag(const struct args *args, const char *name);
/* A whole number in [low, high], or `otherwise` when not given. False after printing what is wrong. */
bool args_int(const struct args *args, const char *name, int low, int high, int otherwise, int *out);
/* A number in [low, high], decimals too, or `otherwise`. */
bool args_number(const struct args *args, const char *name, double low, double high, double otherwise, double *out);
/* A number of bytes with K, M or G. */
bool args_bytes(const struct args *args, const char *name, size_t *out);
/* WxH */
bool args_size(const struct args *args, const char *name, int *w, int *h);

/* For values that a command reads itself: prints "framemill COMMAND: --NAME VALUE: not WANTED". False. */
bool args_complain(const struct args *args, const char *name, const char *value, const char *wanted);

void args_print_options(const char *command);

#endif
