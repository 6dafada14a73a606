/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

void table_start(struct table *table, const struct column *columns, int n_columns, bool json)
{
    *table = (struct table){.column = columns, .n_columns = n_columns, .json = json};
}

static void print_json(const struct table *t, const struct cell *row)
{
    for (int i = 0; i < t->n_columns; i++) {
        fputs(i ? ", " : "{", stdout);
        json_text(stdout, t->column[i].key);
        fputs(": ", stdout);
        if (t->column[i].digits == TABLE_TEXT)
            json_text(stdout, row[i].text);
        else
            json_number(stdout, row[i].number, t->column[i].digits);
    }
    fputs("}\n", stdout);
}

static void print_row(const struct table *t, const struct cell *row)
{
    for (int i = 0; i < t->n_columns; i++) {
        const struct column *c = &t->column[i];
        const char *after = i + 1 < t->n_columns ? " " : "\n";
        if (c->digits == TABLE_TEXT)
            printf("%*s%s", c->width, row[i].text, after);
        else if (isnan(row[i].number))
            printf("%*s%s", c->width, "-", after);
        else
            printf("%*.*f%s", c->width, c->digits, row[i].number, after);
    }
}

static void print_header(const struct table *t)
{
    for (int i = 0; i < t->n_columns; i++)
        printf("%*s%s", t->column[i].width, t->column[i].title, i + 1 < t->n_columns ? " " : "\n");
}

bool table_row(struct table *t, const struct cell *cells)
{
    const size_t n = (size_t) t->n_columns, used = (size_t) t->n_rows * n;
    struct cell *grown = realloc(t->cell, (used + n) * sizeof *grown);
    bool ok = grown != NULL;
    if (ok) {
        t->cell = grown;
        for (size_t i = 0; i < n; i++) {
            grown[used + i] = cells[i];
            if (t->column[i].digits != TABLE_TEXT) continue;
            grown[used + i].text = strdup(cells[i].text ? cells[i].text : "");
            ok &= grown[used + i].text != NULL;
        }
        t->n_rows++;
    }
    if (!ok) {
        fprintf(stderr, "framemill: out of memory\n");
        return false;
    }
    if (t->json) {
        print_json(t, &t->cell[used]);
    } else {
        if (t->n_rows == 1) print_header(t);
        print_row(t, &t->cell[used]);
    }
    fflush(stdout);
    return true;
}

double table_number(const struct table *t, int row, int column)
{
    return t->cell[(size_t) row * (size_t) t->n_columns + (size_t) column].number;
}

static void csv_text(FILE *to, const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, to);
        return;
    }
    putc('"', to);
    for (const char *p = text; *p; p++) {
        if (*p == '"') putc('"', to);
        putc(*p, to);
    }
    putc('"', to);
}

bool table_csv(const struct table *t, FILE *to)
{
    for (int i = 0; i < t->n_columns; i++) fprintf(to, "%s%s", i ? "," : "", t->column[i].key);
    fputs("\r\n", to);
    for (int k = 0; k < t->n_rows; k++) {
        const struct cell *row = &t->cell[(size_t) k * (size_t) t->n_columns];
        for (int i = 0; i < t->n_columns; i++) {
            if (i) putc(',', to);
            if (t->column[i].digits == TABLE_TEXT)
                csv_text(to, row[i].text ? row[i].text : "");
            else if (!isnan(row[i].number))
                fprintf(to, "%.*f", t->column[i].digits, row[i].number);
        }
        fputs("\r\n", to);
    }
    return !ferror(to);
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < (size_t) t->n_rows * (size_t) t->n_columns; i++)
        if (t->column[i % (size_t) t->n_columns].digits == TABLE_TEXT) free((char *) t->cell[i].text);
    free(t->cell);
    *t = (struct table){0};
}
