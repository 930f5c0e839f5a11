package import ModelFiles
package import System

extension DecoderConfiguration {
    /// A checkpoint whose experts have matrices of their own, whichever way they are stored.
    ///
    /// Files hold experts one by one (transformers 4, and what transformers 5 saves by default) or stacked as
    /// `experts.gate_up_proj` [E, 2F, C], the gate's rows of each expert first, and `experts.down_proj` [E, C, F], with
    /// module names of transformers 5. Matrices of a stack are views of it: nothing is copied.
    ///
    /// - Throws: `badData` for a stack of another shape, or one beside which the other is missing.
    package func separatingExperts(_ checkpoint: Checkpoint) throws(Failure) -> Checkpoint {
        var slices: [TensorSlice] = []
        for layer in 0..<layerCount {
            guard let design = experts(of: layer) else { continue }
            let path = layerModule(layer), names = design.names
            let stack = "\(path).\(names.experts)", single = "\(path).\(names.oldExperts)"
            let gateUpName = "\(stack).\(ExpertNames.stackedGateUp)", downName = "\(stack).\(ExpertNames.stackedDown)"
            guard checkpoint.tensor(named: gateUpName) != nil || checkpoint.tensor(named: downName) != nil else {
                continue
            }
            let gateUp = try stacked(gateUpName, [design.count, 2 * design.width, width], in: checkpoint)
            let down = try stacked(downName, [design.count, width, design.width], in: checkpoint)
            let count = design.width * width
            for expert in 0..<design.count {
                for (name, source, start, shape) in [
                    (names.gate, gateUp, 2 * expert * count, [design.width, width]),
                    (names.up, gateUp, (2 * expert + 1) * count, [design.width, width]),
                    (names.down, down, expert * count, [width, design.width]),
                ] {
                    let name = "\(single).\(expert).\(name).weight"
                    if let double = checkpoint.tensor(named: name) {
                        throw Failure(
                            .badData, "the expert is stored twice: by itself, and in \(source.name)", at: double.place,
                            remedy: "Fetch the model again")
                    }
                    slices.append(TensorSlice(name: name, source: source, start: start, shape: shape))
                }
            }
            let router = "\(path).\(names.router).weight", oldRouter = "\(path).\(names.oldRouter).weight"
            if router != oldRouter, let source = checkpoint.tensor(named: router) {
                slices.append(TensorSlice(name: oldRouter, source: source, start: 0, shape: source.shape))
            }
        }
        return slices.isEmpty ? checkpoint : checkpoint.replacing(with: slices)
    }

    private func stacked(_ name: String, _ shape: [Int], in checkpoint: Checkpoint) throws(Failure) -> StoredTensor {
        let tensor = try checkpoint.requiredTensor(named: name)
        guard tensor.shape == shape else {
            let isTurned = tensor.shape == [shape[0], shape[2], shape[1]]
            throw Failure(
                .badData,
                "the shape is \(tensor.shape) where \(shape) is expected"
                    + (isTurned ? ": the experts are stored [inputs, outputs], as models of this type are not" : ""),
                at: tensor.place, remedy: "Check that the weights and config.json belong together")
        }
        return tensor
    }
}
