internal import Glibc
package import System

/// One of the golden models: a checkpoint, its adapter, and what transformers and PEFT make of them in float64.
package struct ModelFixture: Sendable {
    package let name: String
    /// The model in Hugging Face layout.
    package let directory: String
    package var adapterDirectory: String { directory + "/adapter" }
    /// The model without its adapter.
    package let base: ReferenceModel
    /// The model with its adapter: rank 4, alpha 8, every linear of the decoder.
    package let adapted: ReferenceModel
    package let rows: [ReferenceRow]
    /// Token mean over all rows, without and with the adapter.
    package let loss: Double
    package let adaptedLoss: Double
    package let supervisedTokenCount: Int
    /// `row.N.logits` [T, V], `row.N.logprobs` [T−1], `adapted.row.N.logits`, `gradient.SITE.A` and `gradient.SITE.B`.
    package let expected: [String: ReferenceTensor]

    /// Reads a model by name, one of `Fixtures.modelNames`.
    package init(_ name: String) throws(Failure) {
        self.name = name
        directory = Fixtures.modelsDirectory + "/" + name
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

        let document = try Fixtures.json(directory + "/expected.json")
        func ids(_ row: JSONValue, _ key: String) -> [Int32] {
            (row[key]?.array ?? []).compactMap { $0.integer.map { Int32($0) } }
        }
        rows = (document["rows"]?.array ?? []).map { ReferenceRow(ids: ids($0, "ids"), labels: ids($0, "labels")) }
        loss = document["loss"]?.double ?? .nan
        adaptedLoss = document["adapted_loss"]?.double ?? .nan
        supervisedTokenCount = document["supervised_tokens"]?.integer ?? 0
        expected = try Fixtures.tensors(directory + "/expected.safetensors")
    }
}
