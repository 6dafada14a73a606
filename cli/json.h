/* SPDX-License-Identifier: MIT */
/* Values of JSON, written one by one: the caller writes the braces and commas, which keeps the shape of a report visible in its code. */
#ifndef FM_CLI_JSON_H
#define FM_CLI_JSON_H

#include <stdio.h>

/* A quoted string; NULL becomes null. Bytes that are not UTF-8 (file names may hold any) become U+FFFD. */
void json_text(FILE *to, const char *text);
/* "name": "text" */
void json_member(FILE *to, const char *name, const char *text);
/* With as many digits behind the point; null for infinities and NaN, which JSON lacks. Always with a point, whatever the locale. */
void json_number(FILE *to, double value, int digits);
/* Bytes of the UTF-8 character at `text`, of which `left` (1 or more) bytes are there; 0: it is none. */
int json_utf8_length(const char *text, size_t left);
/* A list of the lines of a text ("a\nb" -> ["a", "b"]); "" and NULL: []. */
void json_lines(FILE *to, const char *text);

#endif
