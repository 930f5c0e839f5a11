// The table of elementwise functions, norms, reductions, losses and attention.
#ifndef CINTRINSICS_ELEMENTWISE_H
#define CINTRINSICS_ELEMENTWISE_H

#include <stdint.h>
#include "vectors.h"

#pragma clang assume_nonnull begin

/// Which elements a dropout call keeps: see `dropout` of the table.
typedef struct {
    /// The key of the generator, made from the seed and the step.
    uint32_t key_low, key_high;
    /// Words of the counter: the row's identifier, its position, the place in the model.
    uint32_t row, position, site;
    /// An element is dropped where its random word is below this.
    uint32_t threshold;
    /// What kept elements are multiplied with: 1 / (1 - rate).
    float scale;
} qk_dropout;

/// Constants of one AdamW step, each rounded once from double.
typedef struct {
    float gradient_scale;
    /// 1 - learning rate * weight decay.
    float decay;
    /// 1 - beta1.
    float first_weight;
    /// beta2 and 1 - beta2.
    float second_decay, second_weight;
    /// sqrt(1 - beta2^step).
    float second_correction;
    float epsilon;
    /// -(learning rate / (1 - beta1^step)).
    float negative_step_size;
} qk_adamw;

/// What the parts so far of a row of logits amount to: the largest, and the sum of exp(logit - largest). Before the first
/// part: the lowest finite number, and 0.
typedef struct {
    float largest;
    float sum;
} qk_running_softmax;

/// What a feed-forward layer applies to its inner projection. Hendrycks and Gimpel 2016: gelu is x * Phi(x) exactly,
/// gelu_tanh its approximation 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))); silu is x * sigmoid(x).
enum { QK_SILU = 0, QK_GELU = 1, QK_GELU_TANH = 2 };

/// A row of what an activation reads: act(gate) * up, or act(gate) where `up` is null; floats, or bfloat16 where `narrow` is
/// set.
typedef struct {
    const void *gate;
    const void *_Nullable up;
    int64_t count;
    /// QK_SILU, ….
    int32_t activation;
    int32_t narrow;
} qk_activation_row;

/// Blocks of attention. Queries are lanes, keys are rows of the score block; both are multiples of every tile's sides.
enum {
    QK_ATTENTION_QUERIES = 96,
    QK_ATTENTION_KEYS = 96,
    /// Columns of the head that lie together in a copied block: rows are this many floats apart.
    QK_ATTENTION_COLUMNS = 64,
    /// Keys of one partial result of decoding.
    QK_ATTENTION_DECODE_KEYS = 128
};

/// Keys and values of one head, at most QK_ATTENTION_KEYS rows, to be laid out as the products of attention want them.
typedef struct {
    /// The first row and the head's first column; rows are strides (in floats) apart.
    const float *k;
    const float *v;
    int64_t k_stride, v_stride;
    int64_t rows;
    int64_t head_width;
    /// Whether operands of products are rounded to bfloat16 (only where the instruction set has it).
    int32_t bfloat16;
    /// Whether they are for the backward rather than the forward.
    int32_t backward;
    /// Out: `qk_attention_packed_keys` floats.
    float *packed;
} qk_attention_keys;

/// At most QK_ATTENTION_QUERIES query rows of one head, whose keys come block after block.
///
/// Pointers point to the first row and the head's first column. Rows are strides (in floats) apart.
typedef struct {
    const float *q;
    float *out;
    /// One float for each row, or null.
    float *_Nullable log_sum_exp;
    int64_t q_stride, out_stride;
    int64_t rows;
    /// Position of the first query row; keys have positions from 0.
    int64_t first_position;
    int64_t head_width;
    /// A query sees this many keys, itself included; at least 1.
    int64_t window;
    float scale;
    /// Scores become cap * tanh(score / cap); 0 for none.
    float soft_cap;
    int32_t bfloat16;
    /// Rows that come next, to be fetched while products run: their number, 0 for none, and how far they stand, in rows and
    /// columns, behind these.
    int64_t next_count, next_row, next_column;
    /// `qk_attention_forward_scratch` floats, kept from the beginning to the end.
    float *scratch;
} qk_attention_forward;

/// The same for the gradients.
typedef struct {
    const float *q;
    const float *out;
    const float *d_out;
    const float *log_sum_exp;
    float *d_q;
    int64_t q_stride, out_stride, d_out_stride, d_q_stride;
    int64_t rows;
    int64_t first_position;
    int64_t head_width;
    int64_t window;
    float scale;
    float soft_cap;
    int32_t bfloat16;
    int64_t next_count, next_row, next_column;
    /// `qk_attention_backward_scratch` floats, kept from the beginning to the end.
    float *scratch;
} qk_attention_backward;

/// One query row of the heads that share a key/value head, against at most QK_ATTENTION_DECODE_KEYS keys.
typedef struct {
    const float *q;
    const float *k;
    const float *v;
    int64_t k_stride, v_stride;
    int64_t keys;
    int64_t heads;
    int64_t head_width;
    float scale;
    float soft_cap;
    /// Out: for each head its largest score, its sum of exponentials, then head_width sums of exponential * value.
    float *partial;
    /// heads * QK_ATTENTION_DECODE_KEYS floats.
    float *scratch;
} qk_attention_decode;

/// Entry points, filled by `fillElementwiseKernels` of an instruction-set module. Outputs may be the same memory as
/// inputs where a comment says "in place"; they must not overlap otherwise.
typedef struct {
    /// y[i] += x[i], i < count.
    void (*_Null_unspecified add)(const float *x, float *y, int64_t count);
    /// y[i] += factor * x[i].
    void (*_Null_unspecified add_scaled)(const float *x, float factor, float *y, int64_t count);
    /// y[i] = factor * x[i]; in place.
    void (*_Null_unspecified scale)(const float *x, float factor, float *y, int64_t count);

    /// y[i] = exp(x[i]); 0 where the result would be below 1.1761e-38; in place.
    void (*_Null_unspecified exponential)(const float *x, float *y, int64_t count);
    /// y[i] = ln(x[i]) for positive normal x, infinity and NaN; in place.
    void (*_Null_unspecified logarithm)(const float *x, float *y, int64_t count);
    /// y[i] = tanh(x[i]); in place.
    void (*_Null_unspecified hyperbolic_tangent)(const float *x, float *y, int64_t count);

    /// One row: r = 1 / sqrt(mean(x^2) + epsilon), y = weight * (x * r); returns r. In place.
    float (*_Null_unspecified rms_norm)(const float *x, const float *weight, float epsilon, float *y, int64_t columns);
    /// One row: dx (=, or += if adding) r * (weight * dy - x * r^2 * mean(weight * dy * x)); dx may be dy.
    void (*_Null_unspecified rms_norm_backward)(const float *dy, const float *x, const float *weight, float reciprocal, float *dx,
                              int32_t adding, int64_t columns);
    /// One row: r = 1 / sqrt(variance + epsilon), y = weight * ((x - mean) * r) + bias; returns r. In place.
    float (*_Null_unspecified layer_norm)(const float *x, const float *weight, const float *_Nullable bias, float epsilon, float *y,
                                 int64_t columns);
    /// One row, with g = weight * dy and z = (x - mean) * r: dx (=, or += if adding) r * (g - mean(g) - z * mean(g * z));
    /// dx may be dy.
    void (*_Null_unspecified layer_norm_backward)(const float *dy, const float *x, const float *weight, float reciprocal, float *dx,
                                int32_t adding, int64_t columns);
    /// One row of `heads` heads, in place: halves of the first rotary_width channels are rotated by the angles whose
    /// cosines and sines [rotary_width / 2] are given; sines are multiplied by sign.
    void (*_Null_unspecified rotate)(float *x, int64_t heads, int64_t head_width, int64_t rotary_width, const float *cosines,
                   const float *sines, float sign);

    /// The same for neighbours: channels 2i and 2i + 1 are a pair.
    void (*_Null_unspecified rotate_pairs)(float *x, int64_t heads, int64_t head_width, int64_t rotary_width, const float *cosines,
                         const float *sines, float sign);

    /// out = act(gate) * up; in place of either where they are floats.
    void (*_Null_unspecified activate)(const qk_activation_row *row, float *out);
    /// d_gate and, where up is given, d_up of the above; in place of any input that is floats.
    void (*_Null_unspecified activate_backward)(const qk_activation_row *row, const float *d_out, float *d_gate,
                              float *_Nullable d_up);
    /// y[i] = cap * tanh(x[i] / cap); in place.
    void (*_Null_unspecified soft_cap)(const float *x, float cap, float *y, int64_t count);
    /// One row: y = kept ? scale * x : 0; in place.
    void (*_Null_unspecified dropout)(const float *x, float *y, int64_t count, const qk_dropout *parameters);

    /// Sum of x[i] * y[i] in float32, in one fixed order.
    float (*_Null_unspecified dot)(const float *x, const float *y, int64_t count);
    /// Sum of squares in double, in one fixed order.
    double (*_Null_unspecified sum_of_squares)(const float *x, int64_t count);
    /// The first index whose 32-bit (16-bit) word has all bits of `exponent` set, or -1; any alignment.
    int64_t (*_Null_unspecified first_with_exponent32)(const void *x, int64_t count, uint32_t exponent);
    int64_t (*_Null_unspecified first_with_exponent16)(const void *x, int64_t count, uint32_t exponent);
    /// The lowest index of the largest element; NaN is never it, unless all are (then 0).
    int64_t (*_Null_unspecified largest)(const float *x, int64_t count);

    void (*_Null_unspecified adamw)(float *parameters, const float *gradients, float *first_moments, float *second_moments,
                  int64_t count, const qk_adamw *step);

    /// -ln softmax(logits)[label]. If `writes`, logits become (softmax - onehot(label)) * gradient_scale. Where soft_cap is not
    /// 0, logits are the results of `soft_cap` and the gradient is that of its argument: times 1 - (logit / soft_cap)^2.
    float (*_Null_unspecified cross_entropy)(float *logits, int64_t count, int64_t label, float gradient_scale, int32_t writes,
                           float soft_cap);

    /// The next part of a row of logits: brings `state` forward and makes exp(logit - largest) of the logits, where soft_cap
    /// is not 0 times the slope of the cap as above. Returns what sums over the earlier parts are to be multiplied with.
    float (*_Null_unspecified softmax_part)(float *logits, int64_t count, qk_running_softmax *state, float soft_cap);

    void (*_Null_unspecified attention_pack_keys)(const qk_attention_keys *keys);
    /// Forward of some query rows: begin, then each block of keys that one of them sees, in order, then end. `first_key`,
    /// a multiple of QK_ATTENTION_KEYS, is the position of the block's first key.
    void (*_Null_unspecified attention_forward_begin)(const qk_attention_forward *task);
    void (*_Null_unspecified attention_forward_keys)(const qk_attention_forward *task, int64_t first_key, const float *packed);
    void (*_Null_unspecified attention_forward_end)(const qk_attention_forward *task);
    /// Backward of some query rows likewise; behind each block of keys, what they contribute to dK and dV of the block is
    /// added to its sums, `qk_attention_sums` floats, or begins them.
    void (*_Null_unspecified attention_backward_begin)(const qk_attention_backward *task);
    void (*_Null_unspecified attention_backward_keys)(const qk_attention_backward *task, int64_t first_key, const float *packed);
    void (*_Null_unspecified attention_backward_sums)(const qk_attention_backward *task, int64_t first_key, float *sums,
                                                      int32_t begins);
    void (*_Null_unspecified attention_backward_end)(const qk_attention_backward *task);
    /// Brings the sums of a block of `rows` keys to dK and dV.
    void (*_Null_unspecified attention_unpack_sums)(const float *sums, int64_t rows, int64_t head_width, float *d_k,
                                                    int64_t d_k_stride, float *d_v, int64_t d_v_stride);
    void (*_Null_unspecified attention_decode)(const qk_attention_decode *task);
    /// Joins `count` partial results of one head, `stride` floats apart, into out [head_width].
    void (*_Null_unspecified attention_join)(const float *partials, int64_t count, int64_t stride, int64_t head_width, float *out);
} qk_elementwise_kernels;

QK_INLINE int64_t qk_attention_padded_width(int64_t head_width) {
    return (head_width + QK_ATTENTION_COLUMNS - 1) / QK_ATTENTION_COLUMNS * QK_ATTENTION_COLUMNS;
}

/// Floats of a packed block of keys: K and V, and where units have two elements the backward's K once more.
QK_INLINE int64_t qk_attention_packed_keys(int64_t head_width, int32_t bfloat16, int32_t backward) {
    int64_t block = qk_attention_padded_width(head_width) * QK_ATTENTION_KEYS;
    return bfloat16 ? (backward ? block * 3 / 2 : block) : 2 * block;
}

/// Floats of the sums of a block of keys: dK and dV.
QK_INLINE int64_t qk_attention_sums(int64_t head_width) {
    return 2 * qk_attention_padded_width(head_width) * QK_ATTENTION_KEYS;
}

/// Floats of scratch of attention's forward: Q transposed, O, the scores, three statistics, packed weights.
QK_INLINE int64_t qk_attention_forward_scratch(int64_t head_width) {
    return 2 * QK_ATTENTION_QUERIES * qk_attention_padded_width(head_width) +
           QK_ATTENTION_QUERIES * QK_ATTENTION_KEYS * 3 / 2 + 3 * QK_ATTENTION_QUERIES;
}

/// Floats of scratch of attention's backward: Q and dO, each also transposed, dQ; scores and dP, which become probabilities
/// and gradients; these packed, the gradients twice; two statistics.
QK_INLINE int64_t qk_attention_backward_scratch(int64_t head_width) {
    return 5 * QK_ATTENTION_QUERIES * qk_attention_padded_width(head_width) +
           QK_ATTENTION_QUERIES * QK_ATTENTION_KEYS * 7 / 2 + 2 * QK_ATTENTION_QUERIES;
}

#pragma clang assume_nonnull end

#endif
