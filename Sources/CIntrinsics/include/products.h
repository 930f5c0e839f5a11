// The table of matrix products with stored weights, and the descriptors its functions take.
#ifndef CINTRINSICS_PRODUCTS_H
#define CINTRINSICS_PRODUCTS_H

#include <stdint.h>

/// How the elements of a weight matrix are stored.
enum {
    QK_STORAGE_FLOAT32 = 0,
    QK_STORAGE_BFLOAT16 = 1,
    QK_STORAGE_FLOAT16 = 2,
    /// 4-bit codes into a table of 16 floats, element 2i in the high nibble of byte i, a scale for each block.
    QK_STORAGE_TABLE4 = 3,
    /// Signed bytes, a scale for each block.
    QK_STORAGE_SIGNED8 = 4,
    /// Blocks of 32 in which a float16 scale stands before signed bytes, or before 4-bit codes less 8: element i in the
    /// low half of byte i, element i + 16 in the high half. Columns are a multiple of 32.
    QK_STORAGE_BLOCKS8 = 5,
    QK_STORAGE_BLOCKS4 = 6,
};

/// A stored weight matrix W [rows, columns], row-major; pointers of any alignment.
typedef struct {
    int64_t rows;
    int64_t columns;
    /// First element or code.
    const void *elements;
    /// 16 floats (QK_STORAGE_TABLE4).
    const float *table;
    /// float32 scales, or null where they are nested: map[scale_codes[i]] * scale_absmax[i / 256] + scale_offset.
    const void *scales;
    const void *scale_codes;
    const void *scale_map;
    const void *scale_absmax;
    float scale_offset;
    /// One of QK_STORAGE_….
    int32_t storage;
    /// log2 of the elements that share a scale; at least 5.
    int32_t block_shift;
} qk_weight;

/// Packs rows of X into the order in which tiles read them.
///
/// The packed rows of a chunk are [reduction block][tile][step][row of the tile] of 4 bytes: one float32, or two
/// bfloat16 that follow each other in the reduction. All tiles have tile_rows rows but the last, which is rounded up to
/// tile_unit. Missing rows and columns are zero; the last reduction block is padded to a multiple of 32.
typedef struct {
    const float *x;
    int64_t x_stride;
    /// Rows of the chunk.
    int64_t rows;
    /// Length of the reduction.
    int64_t columns;
    int64_t reduction_block;
    void *packed;
    /// What to pack: one reduction block, from this column on, of rows of one tile of the chunk: from a multiple of tile_unit
    /// up to another or to the tile's end.
    int64_t first_column;
    int64_t first_row;
    int64_t row_count;
    int32_t bfloat16;
} qk_pack_task;

/// One task of a product: some panels of outputs times rows of one chunk.
typedef struct {
    const qk_weight *weight;
    /// Packed rows of the chunk, and how many there are.
    const void *packed;
    int64_t packed_rows;
    /// Those that are multiplied; the first is a multiple of tile_rows.
    int64_t first_row;
    int64_t rows;
    /// The part of the weight's columns, or rows where `gradient` is set, that the packed rows meet, and the length of the
    /// blocks it is reduced in; the first is a multiple of 32.
    int64_t reduction_start, reduction_end;
    int64_t reduction_block;
    /// The outputs first_output ..< first_output + output_count; first_output is a multiple of tile_columns.
    int64_t first_output;
    int64_t output_count;
    /// The first row, output 0: floats, or bfloat16 where `narrow` is set (only where the instruction set has it).
    void *y;
    int64_t y_stride;
    int32_t narrow;
    /// Floats for every output, or null.
    const float *bias;
    /// What the sums are added to (the first row, output 0), y itself or another matrix; or null.
    const float *addend;
    int64_t addend_stride;
    /// A product of low rank that is added in float32: left [rows, low_rank] (the first row) times right, which is
    /// [low_rank, outputs], or [outputs, low_rank] where `right_by_outputs` is set; its rows are right_stride apart.
    /// low_rank is 0 where there is none, and low_rank_limit of the table at most.
    const float *left;
    int64_t left_stride;
    const float *right;
    int64_t right_stride;
    int64_t low_rank;
    int32_t right_by_outputs;
    /// workspace_bytes of the table, aligned to 64.
    void *workspace;
    /// Whether the sums go on from those of the task before, in the same workspace, and whether they stay there for the
    /// next one instead of being finished: products with several weights that add up to one result.
    int32_t continues;
    int32_t is_continued;
    /// Whether the weight is reduced over its rows (dY times W) instead of its columns (X times W transposed).
    int32_t gradient;
    int32_t bfloat16;
} qk_product_task;

/// out [rows, width] = scale * x [rows, length] · factor [length, width], in float32: the order of a sum is that of the
/// reduction. For widths of a few vectors: x is read in place, once for each 48 columns.
typedef struct {
    const float *x;
    int64_t x_stride;
    int64_t rows;
    int64_t length;
    /// Rows are factor_stride apart, a multiple of 16 that is at least width; all of it is read.
    const float *factor;
    int64_t factor_stride;
    int64_t width;
    float scale;
    float *out;
    int64_t out_stride;
} qk_thin_task;

/// out [left_count, right_count] += left [rows, left_count] transposed times right [rows, right_count], in float32, row
/// after row.
typedef struct {
    const float *left;
    int64_t left_stride;
    int64_t left_count;
    const float *right;
    int64_t right_stride;
    int64_t right_count;
    int64_t rows;
    float *out;
    int64_t out_stride;
} qk_outer_task;

/// One task of a product of few rows.
typedef struct {
    const qk_weight *weight;
    /// X as `prepare_few_rows` left it.
    const void *prepared;
    int64_t rows;
    int64_t first_output;
    int64_t output_count;
    float *y;
    int64_t y_stride;
    const float *bias;
    int32_t adding;
    int32_t bfloat16;
} qk_few_rows_task;

/// Entry points of the products, filled by `fillProductKernels` of an instruction-set module.
typedef struct {
    /// Rows and outputs of a tile; a last tile's rows are rounded up to tile_unit.
    int32_t tile_rows;
    int32_t tile_columns;
    int32_t tile_unit;
    /// Largest reduction block for each compute type, multiples of 32.
    int32_t reduction_block_float32;
    int32_t reduction_block_bfloat16;
    /// Most rows of a chunk, and most panels (of tile_columns outputs) of a task.
    int32_t chunk_rows;
    int32_t task_panels;
    /// Largest rank of a low-rank product that a product adds.
    int32_t low_rank_limit;
    /// Bytes of workspace of a product task.
    int64_t workspace_bytes;

    void (*pack)(const qk_pack_task *task);
    void (*product)(const qk_product_task *task);
    void (*thin_product)(const qk_thin_task *task);
    void (*outer_product)(const qk_outer_task *task);
    /// to [columns, to_stride] = from [rows, columns] transposed; to_stride is a multiple of 16, what lies behind the
    /// rows becomes zero.
    void (*transpose)(
        const float *from, int64_t from_stride, int64_t rows, int64_t columns, float *to, int64_t to_stride);
    /// Bytes of one prepared row of X for a weight of `columns` columns.
    int64_t (*prepared_row_bytes)(int64_t columns);
    /// Says in which order the few-row product of this weight reads X: rows of X prepared for one weight serve all weights
    /// of the same order and the same number of columns.
    int32_t (*prepared_order)(const qk_weight *weight);
    /// X [rows, weight columns] into that order.
    void (*prepare_few_rows)(
        const qk_weight *weight, const float *x, int64_t x_stride, int64_t rows, int32_t bfloat16, void *prepared);
    void (*few_rows)(const qk_few_rows_task *task);
    /// out [columns] = the row of the weight as float32.
    void (*unpack_row)(const qk_weight *weight, int64_t row, float *out);
    /// Runs the full tile `repetitions` times on data in the first-level cache, for benchmarks. Returns the floating
    /// point operations done. `memory`: workspace_bytes, holding finite numbers.
    double (*tile_peak)(int32_t bfloat16, int64_t repetitions, void *memory);
} qk_product_kernels;

#endif
