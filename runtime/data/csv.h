// Tables of text: a header row of names, then rows of cells.
//
// Opening checks that the text is a table (every row as long as the header) and counts rows; cells
// become numbers only when a column is read, so columns that nobody asked for may hold anything.
#ifndef BLO_DATA_CSV_H
#define BLO_DATA_CSV_H

#include "core/context.h"

typedef struct CsvTable {
  char *label;      // the file, in messages
  const char *text; // borrowed
  size_t length;
  char separator;
  char **names;
  size_t column_count, row_count;
  size_t header_line; // counted from 1
  size_t body;        // offset of the first row after the header
  size_t body_line;   // its line number
} CsvTable;

blo_status blo_csv_open(blo_context *context, const char *label, const char *text, size_t length,
                        CsvTable *table);
void blo_csv_close(blo_context *context, CsvTable *table);
/// Reads `count` different columns, in that order, as a row-major [rows, count] array of `dtype`.
blo_status blo_csv_read(blo_context *context, const CsvTable *table, const size_t *columns,
                        size_t count, int32_t dtype, void *to);

#endif
