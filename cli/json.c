/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <math.h>
#include <string.h>

/* Overlong forms, surrogates, what is above U+10FFFF or cut short are no characters. */
int json_utf8_length(const char *text, size_t left)
{
    const unsigned char *s = (const unsigned char *) text;
    const unsigned char c = s[0];
    const int n = c < 0x80 ? 1 : c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    if (!n || (size_t) n > left) return 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static void put_text(FILE *to, const char *text, size_t length)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    const unsigned char *s = (const unsigned char *) text;
    putc('"', to);
    for (size_t i = 0; i < length;) {
        const int n = json_utf8_length(text + i, length - i);
        const char *escape = NULL;
        for (const char *p = letters; *p; p += 2)
            if ((unsigned char) *p == s[i]) escape = p + 1;
        if (escape)
            fprintf(to, "\\%c", *escape);
        else if (n == 0)
            fputs("\\ufffd", to);
        else if (s[i] < 0x20 || s[i] == 0x7f)
            fprintf(to, "\\u%04x", s[i]);
        else
            fwrite(s + i, 1, (size_t) n, to);
        i += n ? (size_t) n : 1;
    }
    putc('"', to);
}

void json_text(FILE *to, const char *text)
{
    if (text)
        put_text(to, text, strlen(text));
    else
        fputs("null", to);
}

void json_member(FILE *to, const char *name, const char *text)
{
    json_text(to, name);
    fputs(": ", to);
    json_text(to, text);
}

void json_number(FILE *to, double value, int digits)
{
    char text[400]; /* the largest double has 309 digits before the point */
    if (!isfinite(value)) {
        fputs("null", to);
        return;
    }
    snprintf(text, sizeof text, "%.*f", digits > 20 ? 20 : digits, value);
    char *comma = strchr(text, ',');
    if (comma) *comma = '.';
    fputs(text, to);
}

void json_lines(FILE *to, const char *text)
{
    const char *separator = "";
    putc('[', to);
    for (const char *line = text ? text : ""; *line;) {
        const size_t length = strcspn(line, "\n");
        if (length) {
            fputs(separator, to);
            put_text(to, line, length);
            separator = ", ";
        }
        line += length + (line[length] == '\n');
    }
    putc(']', to);
}
