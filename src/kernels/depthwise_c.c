/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA c
#include "kernels/sets.h"
#include "kernels/depthwise.tpl.h"
