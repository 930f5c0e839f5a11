internal import QuantFormats

/// How weights in few bits lie in safetensors files.
///
/// A weight `M.weight` [N, K] is stored flat, blocks running on across rows, with its parts beside it. Every format
/// carries a JSON text (U8) with the keys `quant_type`, `blocksize`, `dtype` (of the weight before), `shape` [N, K].
///
/// **4 bits (nf4, fp4), the layout of bitsandbytes**, used for linears and, by us alone, for embeddings:
///
///     M.weight                               U8 [ceil(NK / 2), 1], the first element in the high nibble
///                                            (or the same bytes as elements of another type)
///     M.weight.absmax                        F32 [blocks], or U8 [blocks] where double-quantized
///     M.weight.quant_map                     F32 [16]
///     M.weight.nested_absmax                 F32 [ceil(blocks / 256)], only where double-quantized
///     M.weight.nested_quant_map              F32 [256], only where double-quantized
///     M.weight.quant_state.bitsandbytes__nf4 or …__fp4: the JSON; where double-quantized with `nested_blocksize`
///                                            (256), `nested_dtype`, `nested_offset`
///
/// **4 bits, ours (int4)**: the same parts under `M.weight.quant_state.qlora__int4`.
///
/// **8 bits (int8), ours**: value = code * scale in float32.
///
///     M.weight                               I8 [NK, 1]
///     M.weight.absmax                        F32 [blocks]: the scale, which is the block's absmax / 127: what the
///                                            products multiply by, so that they read it in place
///     M.weight.quant_state.qlora__int8       the JSON
///
/// A directory that holds weights in our formats, quantized embeddings, or what transformers does not hold in 4 bits
/// (Falcon's linears, experts: each under its own name, `experts.0.gate_proj.weight`, never stacked) says so in config.json,
/// so that other programs do not take it for one of bitsandbytes; the flat shapes make them stop where they ignore that.
///
///     "quantization_config": {"quant_method": "qlora-blockwise", "version": 1, "format": "nf4", "block_size": 64,
///                             "embeddings": "int8"}
package enum BlockwiseLayout {
    /// `quantization_config.quant_method` of directories that only we read.
    package static let method = "qlora-blockwise"
    /// `quantization_config.version`.
    package static let version = 1

    package static let absmax = "absmax"
    package static let quantMap = "quant_map"
    package static let nestedAbsmax = "nested_absmax"
    package static let nestedQuantMap = "nested_quant_map"

    /// Scales of a double-quantized weight that share one scale.
    package static let nestedBlockSize = NestedScales.blockSize

    /// The block sizes that are read.
    package static let blockSizes = QuantFormat.blockSizes

    /// The part that holds the JSON of a format: `quant_state.bitsandbytes__nf4`.
    package static func stateComponent(format: String) -> String {
        let isForeign = QuantFormats.named(format)?.isBitsandbytes ?? false
        return "quant_state.\(isForeign ? "bitsandbytes" : "qlora")__\(format)"
    }

    /// Formats and the parts that hold their JSON.
    static let states: [(format: String, component: String)] = QuantFormats.all.map {
        ($0.name, stateComponent(format: $0.name))
    }
}
