/* SPDX-License-Identifier: MIT */
/* JSON as the program writes it: names of files may hold any bytes. */
#define _GNU_SOURCE
#include <locale.h>

#include "../../cli/json.c" /* the program's own files are in no library */

#include "check.h"

static char written[1024];

static const char *text(const char *value)
{
    FILE *file = fmemopen(written, sizeof written, "w");
    json_text(file, value);
    fclose(file);
    return written;
}

static const char *number(double value, int digits)
{
    FILE *file = fmemopen(written, sizeof written, "w");
    json_number(file, value, digits);
    fclose(file);
    return written;
}

static const char *lines(const char *value)
{
    FILE *file = fmemopen(written, sizeof written, "w");
    json_lines(file, value);
    fclose(file);
    return written;
}

static void plain_text(void)
{
    CHECK_STR(text(NULL), "null");
    CHECK_STR(text(""), "\"\"");
    CHECK_STR(text("a/b c.png"), "\"a/b c.png\"");
    CHECK_STR(text("\"\\\b\f\n\r\t"), "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
    CHECK_STR(text("\x01\x1f\x7f"), "\"\\u0001\\u001f\\u007f\"");
}

static void utf8_stays(void)
{
    CHECK_STR(text("\xc2\x80 \xc3\xa9 \xdf\xbf"), "\"\xc2\x80 \xc3\xa9 \xdf\xbf\"");
    CHECK_STR(text("\xe0\xa0\x80\xe2\x82\xac\xed\x9f\xbf\xef\xbf\xbf"), "\"\xe0\xa0\x80\xe2\x82\xac\xed\x9f\xbf\xef\xbf\xbf\"");
    CHECK_STR(text("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"");
}

static void other_bytes_are_marked(void)
{
    static const struct {
        const char *bytes;
        int marks;
    } cases[] = {
        {"\xff", 1},
        {"\x80", 1},
        {"\xc3", 1},
        {"\xc0\xaf", 2},
        {"\xc1\xbf", 2}, /* alone, cut short, overlong */
        {"\xe0\x9f\xbf", 3},
        {"\xed\xa0\x80", 3},
        {"\xe2\x82", 2}, /* overlong, a surrogate, cut short */
        {"\xf0\x8f\xbf\xbf", 4},
        {"\xf4\x90\x80\x80", 4},
        {"\xf5\x80\x80\x80", 4},
        {"\xf0\x9f\x98", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char want[64] = "\"", with[16];
        for (int k = 0; k < cases[i].marks; k++) strcat(want, "\\ufffd");
        strcat(want, "x\"");
        snprintf(with, sizeof with, "%sx", cases[i].bytes);
        CHECK_MSG(!strcmp(text(with), want), "case %zu: %s, must be %s", i, written, want);
    }
}

static void numbers(void)
{
    CHECK_STR(number(1.0 / 3, 3), "0.333");
    CHECK_STR(number(-2, 0), "-2");
    CHECK_STR(number(NAN, 2), "null");
    CHECK_STR(number(INFINITY, 2), "null");
    CHECK_INT(strlen(number(1e308, 1)), 311);
    const char *comma = setlocale(LC_NUMERIC, "de_DE.UTF-8");
    CHECK_STR(number(1.5, 2), "1.50");
    if (comma) setlocale(LC_NUMERIC, "C");
}

static void lists_of_lines(void)
{
    CHECK_STR(lines(NULL), "[]");
    CHECK_STR(lines("\n\n"), "[]");
    CHECK_STR(lines("one"), "[\"one\"]");
    CHECK_STR(lines("\none\n\ntwo \"2\"\n"), "[\"one\", \"two \\\"2\\\"\"]");
}

int main(void)
{
    RUN(plain_text);
    RUN(utf8_stays);
    RUN(other_bytes_are_marked);
    RUN(numbers);
    RUN(lists_of_lines);
    return check_report();
}
