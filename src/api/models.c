/* SPDX-License-Identifier: MIT */
#include "framemill/models.h"

#include <string.h>

#include "api/models_pull.h"
#include "core/error.h"
#include "model/find.h"

int fm_models_find(const char *name_or_file, const char *model_dir, char *path, size_t path_size, struct fm_error *error)
{
    if (!name_or_file || !name_or_file[0] || !path || !path_size)
        return core_fail(error, FM_ERR_ARGUMENT, "fm_models_find: no name, or no place for the path");
    path[0] = 0;
    return find_network(name_or_file, model_dir, path, path_size, error);
}

struct listing {
    fm_models_each_fn each;
    void *user;
};

static int list_one(void *user, const struct find_item *item)
{
    const struct listing *listing = user;
    return listing->each(listing->user, item->name, item->path, item->where, item->shadowed);
}

int fm_models_each(const char *model_dir, fm_models_each_fn each, void *user, struct fm_error *error)
{
    struct listing listing = {each, user};
    struct find_places places;
    if (!each) return core_fail(error, FM_ERR_ARGUMENT, "fm_models_each: no function to call");
    int code = find_places_open(model_dir, &places, error);
    if (code < 0) return code;
    code = find_each(&places, list_one, &listing, error);
    find_places_close(&places);
    return code;
}

int fm_models_pull(const struct fm_models_pull_params *params, char *path, size_t path_size, struct fm_error *error)
{
    struct fm_models_pull_params p = {.size = sizeof p};
    if (!path || !path_size) return core_fail(error, FM_ERR_ARGUMENT, "fm_models_pull: no place for the path");
    path[0] = 0;
    if (!params || params->size < sizeof(size_t))
        return core_fail(error, FM_ERR_ARGUMENT, "fm_models_pull: params->size is not set");
    memcpy(&p, params, params->size < sizeof p ? params->size : sizeof p);
    if (!p.what || !p.what[0]) return core_fail(error, FM_ERR_ARGUMENT, "fm_models_pull: an address or a name is missing");
    return models_pull(&p, path, path_size, error);
}
