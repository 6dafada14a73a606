/* SPDX-License-Identifier: MIT */
/* A table that is printed as it grows - aligned for people, or a JSON object a line - and kept, to be written as CSV. */
#ifndef FM_CLI_TABLE_H
#define FM_CLI_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#define TABLE_TEXT (-1)

struct column {
    const char *key;   /* in CSV and JSON: "median_ms" */
    const char *title; /* for people: "median ms" */
    int width;         /* characters for people; negative: flush left */
    int digits;        /* behind the point, or TABLE_TEXT */
};

/* Text, or a number; NaN: the machine did not say, shown as "-", null, or nothing at all. */
struct cell {
    const char *text;
    double number;
};
#define CELL_TEXT(t) ((struct cell){.text = (t)})
#define CELL_NUMBER(n) ((struct cell){.number = (double) (n)})

struct table {
    const struct column *column;
    int n_columns;
    struct cell *cell; /* [n_rows][n_columns], texts owned */
    int n_rows;
    bool json;
};

/* The columns stay the caller's. The header is printed with the first row. */
void table_start(struct table *table, const struct column *columns, int n_columns, bool json);
/* Prints and keeps a row of n_columns cells; texts are copied. False: out of memory, printed. */
bool table_row(struct table *table, const struct cell *cells);
double table_number(const struct table *table, int row, int column);
/* Comma-separated, a header line first, as RFC 4180 has it. False: could not be written. */
bool table_csv(const struct table *table, FILE *to);
void table_free(struct table *table);

#endif
