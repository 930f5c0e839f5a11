internal import Glibc
package import System

/// A golden model of the Llama kind with the scalar reference of it.
@dynamicMemberLookup package struct ModelFixture: Sendable {
    package let golden: GoldenModel
    /// The model without its adapter.
    package let base: ReferenceModel
    /// The model with its adapter.
    package let adapted: ReferenceModel

    package subscript<Value>(dynamicMember path: KeyPath<GoldenModel, Value>) -> Value { golden[keyPath: path] }

    /// Reads a model by name, one of `Fixtures.modelNames`.
    package init(_ name: String) throws(Failure) {
        golden = try GoldenModel(name)
        let directory = golden.directory
        let configuration = try ReferenceConfiguration(json: try Fixtures.json(directory + "/config.json"))
        var weights: [String: ReferenceTensor] = [:]
        if access(directory + "/model.safetensors.index.json", F_OK) == 0 {
            let index = try Fixtures.json(directory + "/model.safetensors.index.json")
            for shard in Set((index["weight_map"]?.object?.members ?? []).compactMap(\.value.string)) {
                weights.merge(try Fixtures.tensors(directory + "/" + shard)) { $1 }
            }
        } else {
            weights = try Fixtures.tensors(directory + "/model.safetensors")
        }
        base = ReferenceModel(configuration: configuration, weights: weights)

        let adapterConfiguration = try Fixtures.json(directory + "/adapter/adapter_config.json")
        guard let rank = adapterConfiguration["r"]?.double, let alpha = adapterConfiguration["lora_alpha"]?.double
        else {
            throw Failure(.badData, "the adapter has no rank or alpha", at: .init(file: directory))
        }
        let matrices = try Fixtures.tensors(directory + "/adapter/adapter_model.safetensors")
        var adapters: [String: ReferenceAdapter] = [:]
        let prefix = "base_model.model.", suffix = ".lora_A.weight"
        for (key, A) in matrices where key.hasSuffix(suffix) {
            let site = String(key.dropFirst(prefix.count).dropLast(suffix.count))
            guard let B = matrices["\(prefix)\(site).lora_B.weight"] else {
                throw Failure(.badData, "the adapter has no matrix B", at: .init(file: directory, tensor: site))
            }
            adapters[site] = ReferenceAdapter(A: A, B: B, scaling: alpha / rank)
        }
        adapted = ReferenceModel(configuration: configuration, weights: weights, adapters: adapters)
    }
}
