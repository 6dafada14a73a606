/* SPDX-License-Identifier: MIT */
#define KERNEL_ISA c
#include "kernels/sets.h"
#include "kernels/planar.tpl.h"
#include "kernels/planar_wino.tpl.h"
