internal import DecoderModels
package import ModelFiles
package import System

/// What a model directory holds, for `inspect`.
package struct ModelInspection: Sendable {
    /// A weight with the parts beside it.
    package struct Weight: Sendable {
        package let name: String
        /// `nf4`, `int8`, …, or the element type.
        package let format: String
        /// Of the weight itself, not of its codes.
        package let shape: [Int]
        package let blockSize: Int?
        package let isDoubleQuantized: Bool
        /// Parts included.
        package let byteCount: Int
        /// The stored tensors, the weight first.
        package let tensors: [String]
    }

    package let model: ModelDirectory
    package let weights: [Weight]
    /// Why nothing can be computed with the model, where that is so.
    package let unsupported: Failure?

    /// Reads configuration and headers, and checks that they fit each other; weights are not read.
    ///
    /// - Throws: `Failure` of kind `badData` where tensors are missing, unexpected or of another shape or format.
    package init(_ model: ModelDirectory) throws(Failure) {
        self.model = model
        var checkpoint = model.checkpoint
        let reader = ConfigurationReader(fields: model.configuration, file: model.configurationFile)
        let configuration: DecoderConfiguration
        do throws(Failure) {
            configuration = try Architectures.configuration(reader)
        } catch {
            guard error.kind == .unsupported else { throw error }
            unsupported = error
            var plain: [Weight] = []
            for name in checkpoint.tensorNames {
                let tensor = try checkpoint.requiredTensor(named: name)
                plain.append(Self.plain(tensor))
            }
            weights = plain
            return
        }
        unsupported = nil
        checkpoint = try configuration.separatingExperts(checkpoint)
        var found: [Weight] = []
        var expected: [String] = []
        let names = StoredNames(configuration, checkpoint)
        for weight in configuration.weights {
            let module = names.stored(weight.module)
            switch weight.role {
            case .embedding, .head, .linear, .expert:
                let isTransposed = weight.isTransposed && !checkpoint.isQuantized(module: module)
                let shape = isTransposed ? weight.plainShape : weight.shape
                let matrix = try checkpoint.storedMatrix(
                    module: module, rows: shape[0], columns: shape[1], checksValues: false)
                expected.append(module)
                found.append(
                    Weight(
                        name: matrix.sourceTensors[0], format: matrix.format, shape: shape,
                        blockSize: matrix.blockSize, isDoubleQuantized: matrix.isDoubleQuantized,
                        byteCount: matrix.byteCount, tensors: matrix.sourceTensors))
            case .positions, .bias, .norm, .router:
                let tensor = try checkpoint.requiredTensor(named: names.tensor(weight))
                guard tensor.shape == weight.shape else {
                    throw Failure(
                        .badData, "the shape is \(tensor.shape) where \(weight.shape) is expected", at: tensor.place,
                        remedy: "Check that the weights and config.json belong together")
                }
                expected.append(tensor.name)
                found.append(Self.plain(tensor))
            }
        }
        try checkpoint.checkNothingElse(than: expected + names.ignored)
        weights = found
    }

    private static func plain(_ tensor: StoredTensor) -> Weight {
        Weight(
            name: tensor.name, format: tensor.type.torchName, shape: tensor.shape, blockSize: nil,
            isDoubleQuantized: false, byteCount: tensor.byteCount, tensors: [tensor.name])
    }

    /// Elements, a tied table counted once.
    package var parameterCount: Int { weights.reduce(0) { $0 + $1.shape.reduce(1, *) } }
    package var byteCount: Int { weights.reduce(0) { $0 + $1.byteCount } }
    package var bitsPerParameter: Double {
        parameterCount == 0 ? 0 : Double(byteCount) * 8 / Double(parameterCount)
    }

    /// Bytes and weights of each format, the largest first.
    package var formats: [(format: String, weightCount: Int, byteCount: Int)] {
        var sums: [String: (Int, Int)] = [:]
        for weight in weights {
            let sum = sums[weight.format] ?? (0, 0)
            sums[weight.format] = (sum.0 + 1, sum.1 + weight.byteCount)
        }
        return sums.map { ($0.key, $0.value.0, $0.value.1) }.sorted { ($1.2, $0.0) < ($0.2, $1.0) }
    }
}
