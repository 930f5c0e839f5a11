internal import QuantFormats
internal import System

/// The JSON text beside a weight in few bits, checked. See `BlockwiseLayout`.
struct QuantizationState: Sendable {
    let format: String
    let blockSize: Int
    /// PyTorch's name of the type before quantization.
    let sourceType: String
    let shape: [Int]
    /// The mean of the scales, where they are quantized themselves.
    let nestedOffset: Float?

    /// Most bytes of the text.
    static let maximumByteCount = 1 << 16

    /// Reads the text of a tensor.
    ///
    /// - Parameter format: what the tensor's name says.
    /// - Throws: `Failure` of kind `badData` with tensor, byte offset and field.
    init(_ tensor: StoredTensor, format: String) throws(Failure) {
        func failure(_ what: String, field: String? = nil) -> Failure {
            var place = tensor.place
            place.field = field
            return Failure(.badData, what, at: place)
        }
        guard tensor.type == .unsigned8, tensor.shape.count == 1 else {
            throw failure(
                "is \(tensor.type.rawValue) \(tensor.shape) where JSON text in a U8 tensor of one dimension is expected"
            )
        }
        guard tensor.byteCount <= Self.maximumByteCount else {
            throw failure("the JSON text has \(tensor.byteCount) bytes, more than \(Self.maximumByteCount)")
        }
        let value: JSONValue
        do throws(Failure) {
            value = try JSONParser.parse(
                tensor.bytes.bindMemory(to: UInt8.self), limits: .init(depth: 4),
                baseOffset: tensor.entry.byteOffset)
        } catch {
            var failure = error
            (failure.place.file, failure.place.tensor) = (tensor.file.path, tensor.name)
            throw failure
        }
        guard let object = value.object else {
            throw failure("holds \(value.kindName) where a JSON object is expected")
        }
        let plain = ["quant_type", "blocksize", "dtype", "shape"]
        let nested = ["nested_blocksize", "nested_dtype", "nested_offset"]
        for key in object.keys where !plain.contains(key) && !nested.contains(key) {
            throw failure("the quantization state has an unknown field", field: key)
        }
        for key in plain where object[key] == nil { throw failure("the field is missing", field: key) }
        guard object["quant_type"]?.string == format else {
            throw failure("is not \"\(format)\", which the tensor's name says", field: "quant_type")
        }
        guard let blockSize = object["blocksize"]?.integer, BlockwiseLayout.blockSizes.contains(blockSize) else {
            throw failure("is none of the block sizes \(BlockwiseLayout.blockSizes)", field: "blocksize")
        }
        guard let type = object["dtype"]?.string, ["float32", "bfloat16", "float16"].contains(type) else {
            throw failure("is none of float32, bfloat16, float16", field: "dtype")
        }
        guard let extents = object["shape"]?.array else { throw failure("is no array", field: "shape") }
        var shape: [Int] = []
        for extent in extents {
            guard let count = extent.integer, count > 0 else {
                throw failure("holds something else than positive integers", field: "shape")
            }
            shape.append(count)
        }
        var offset: Float?
        if nested.contains(where: { object[$0] != nil }) {
            guard QuantFormats.named(format)?.canDoubleQuantize == true else {
                throw failure("\(format) weights have no double quantization")
            }
            for key in nested where object[key] == nil { throw failure("the field is missing", field: key) }
            guard object["nested_blocksize"]?.integer == BlockwiseLayout.nestedBlockSize else {
                throw failure("is not \(BlockwiseLayout.nestedBlockSize)", field: "nested_blocksize")
            }
            guard object["nested_dtype"]?.string == "float32" else {
                throw failure("is not float32", field: "nested_dtype")
            }
            guard let number = object["nested_offset"]?.double, Float(number).isFinite else {
                throw failure("is no number that float32 holds", field: "nested_offset")
            }
            offset = Float(number)
        }
        self.format = format
        self.blockSize = blockSize
        self.sourceType = type
        self.shape = shape
        nestedOffset = offset
    }
}
