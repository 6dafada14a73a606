/* SPDX-License-Identifier: MIT */
/* Texts from servers: the same bytes as a catalogue, as a checksum file, as an address. What is taken must be harmless, a
 * refusal must say where. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/catalogue.h"
#include "net/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void broken(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n", what, text);
    abort();
}

static void as_catalogue(const char *text, size_t size)
{
    struct net_catalogue *catalogue = NULL;
    struct fm_error error = {.code = FM_OK};
    const int code = net_catalogue_parse(text, size, "fuzz", &catalogue, &error);
    if ((code == FM_OK) != (catalogue != NULL)) broken("neither a catalogue nor a refusal", error.message);
    if (code != FM_OK && (error.code != (enum fm_err) code || strncmp(error.message, "fuzz:", 5) != 0))
        broken("a refusal without its place", error.message);
    for (int i = 0; catalogue && i < catalogue->n; i++) {
        const struct net_entry *e = &catalogue->entry[i];
        if (!net_file_is_safe(e->name) || !net_file_is_safe(e->file)) broken("a name that does harm", e->file);
        if (net_url_check(e->url, &error) != FM_OK) broken("an address that is none", e->url);
        if (strpbrk(e->licence, "\t\n") || strpbrk(e->note, "\t\n")) broken("a column that goes on", e->note);
    }
    net_catalogue_destroy(&catalogue);
}

static void as_address(const char *url)
{
    char name[NET_NAME_MAX], other[NET_URL_MAX], shown[64];
    struct fm_error error;
    net_url_shown(url, shown, sizeof shown);
    if (net_url_check(url, &error) != FM_OK) return;
    if (net_url_file(url, name, &error) == FM_OK && !net_file_is_safe(name)) broken("a name that does harm", name);
    if (net_url_beside(url, strlen(url) % 9, ".sha256", other, &error) == FM_OK && net_url_check(other, &error) != FM_OK)
        broken("a neighbour that is no address", other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t digest[SHA256_SIZE];
    struct fm_error error;
    char *text = malloc(size + 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = 0;
    as_address(text);
    char *exact = malloc(size ? size : 1); /* without a terminator, so that reading past the end is seen */
    if (exact) {
        if (size) memcpy(exact, data, size);
        as_catalogue(exact, size);
        (void) net_sidecar_parse(exact, size, "fuzz", digest, &error);
    }
    free(exact);
    free(text);
    return 0;
}
