internal import System

/// What is stored about a quantized tensor besides its numbers: the JSON text of the tensor
/// `….weight.quant_state.bitsandbytes__nf4`, and of our own formats in the same form.
package struct QuantState: Sendable {
    /// `nf4`, `int8`, ….
    package let format: String
    package let blockSize: Int
    /// The type of the weight before quantization.
    package let sourceType: SourceType
    /// [outputs, inputs]
    package let shape: [Int]
    /// The mean of the scales, where they are double-quantized.
    package let nestedOffset: Float?

    package init(format: String, blockSize: Int, sourceType: SourceType, shape: [Int], nestedOffset: Float?) {
        self.format = format
        self.blockSize = blockSize
        self.sourceType = sourceType
        self.shape = shape
        self.nestedOffset = nestedOffset
    }

    /// The text as Python's `json.dumps` writes it: byte equality with bitsandbytes needs its spaces, its order of keys
    /// and its shortest form of the offset as a double.
    package var bytes: [UInt8] {
        var members: [(String, JSONValue)] = [
            ("quant_type", .string(format)), ("blocksize", .integer(blockSize)),
            ("dtype", .string(sourceType.rawValue)), ("shape", .array(shape.map { .integer($0) })),
        ]
        if let nestedOffset {
            members += [
                ("nested_blocksize", .integer(NestedScales.blockSize)), ("nested_dtype", .string("float32")),
                ("nested_offset", .double(Double(nestedOffset))),
            ]
        }
        return JSONWriter.python.bytes(.object(JSONObject(members)))
    }
}
