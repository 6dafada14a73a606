/* SPDX-License-Identifier: MIT */
/* "Did you mean": Levenshtein's distance, one row of its table at a time. */
#define _GNU_SOURCE /* strcasestr */
#include "model/find.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 95

static int lower(char c)
{
    return tolower((unsigned char) c);
}

int find_distance(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    int row[TEXT_MAX + 1]; /* row[j]: from the first i letters of a to the first j of b */
    if (n > TEXT_MAX || m > TEXT_MAX) return -1;
    for (size_t j = 0; j <= m; j++) row[j] = (int) j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int) i;
        for (size_t j = 1; j <= m; j++) {
            int best = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            diagonal = row[j];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

void find_close_start(struct find_close *close, const char *wanted)
{
    *close = (struct find_close){.wanted = wanted};
}

/* A third of the letters may be wrong; a name that contains the wanted one, or is contained in it, is as good as two wrong
 * letters. */
static int how_far(const char *wanted, const char *name)
{
    const int distance = find_distance(wanted, name), length = (int) strlen(wanted);
    if (distance < 0) return -1;
    if (distance <= (length / 3 > 2 ? length / 3 : 2) && distance < length) return distance;
    const bool contained = (length >= 3 && strcasestr(name, wanted)) || (strlen(name) >= 3 && strcasestr(wanted, name));
    return contained ? 2 : -1;
}

void find_close_add(struct find_close *close, const char *name)
{
    const int distance = how_far(close->wanted, name);
    if (distance < 0) return;
    for (int i = 0; i < close->n; i++)
        if (!strcmp(close->best[i].name, name)) return;
    int at = close->n;
    while (at > 0 && close->best[at - 1].distance > distance) at--;
    if (at == FIND_CLOSE_MAX) return;
    if (close->n < FIND_CLOSE_MAX) close->n++;
    memmove(&close->best[at + 1], &close->best[at], (size_t) (close->n - 1 - at) * sizeof close->best[0]);
    snprintf(close->best[at].name, sizeof close->best[at].name, "%s", name);
    close->best[at].distance = distance;
}

void find_close_text(const struct find_close *close, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < close->n && used < size; i++)
        used += (size_t) snprintf(text + used, size - used, "%s%s", i ? ", " : "; names that come close: ", close->best[i].name);
}
