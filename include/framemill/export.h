/* SPDX-License-Identifier: MIT */
/* FM_API marks what the shared library exports; everything else stays inside. */
#ifndef FRAMEMILL_EXPORT_H
#define FRAMEMILL_EXPORT_H

#if defined(_WIN32)
#if defined(FM_BUILD_SHARED)
#define FM_API __declspec(dllexport)
#elif defined(FM_USE_SHARED)
#define FM_API __declspec(dllimport)
#else
#define FM_API
#endif
#elif defined(__GNUC__)
#define FM_API __attribute__((visibility("default")))
#else
#define FM_API
#endif

#endif
