// Shared by fuse.c (which items share a kernel) and fuse_kernel.c (the kernel of a group).
#ifndef BLO_LOOP_FUSE_H
#define BLO_LOOP_FUSE_H

#include "loop/lower_internal.h"

/// An item with what fusion has to know of it.
typedef struct Work {
  Item *item;
  Space space; // extents; index over scratch axes
  Expr *axes[MAX_AXES];
  VEC(LinearUse) loads;
  const Affine *place[MAX_RANK]; // index of the target
  bool placed;
  int row; // axis that follows the rows of the group, -1: none
  int group;
  int cluster; // works of one cluster share their loops
} Work;

/// Works that become one kernel: those with a row are handled row block by row block, then come
/// those without (`tail`), which may use sums over the rows.
typedef struct Group {
  VEC(Work *) works;
  VEC(Work *) tail;
  const Dim *rows; // extent of the row axis; NULL: only a tail, or one item that is not blocked
  bool alone;      // takes nothing else
  int cluster_count;
  Step *step;
} Group;

typedef VEC(Group *) GroupList;

/// The axis of the target that follows the rows, or -1.
int work_target_axis(const Work *w);
/// Does the work sum over the rows?
bool work_sums_rows(const Work *w);
/// Number of leading axes that a work of shared loops keeps.
int work_kept(const Work *w);
#endif
