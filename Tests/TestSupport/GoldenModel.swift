package import System

/// One of the golden models of `tools/fixtures/models.py`: where it lies, and what transformers and PEFT make of it in
/// float64.
package struct GoldenModel: Sendable {
    package let name: String
    /// The model in Hugging Face layout.
    package let directory: String
    /// Its adapter: rank 4, alpha 8, every linear of the decoder.
    package var adapterDirectory: String { directory + "/adapter" }
    package let rows: [ReferenceRow]
    /// Token mean over all rows, without and with the adapter.
    package let loss: Double
    package let adaptedLoss: Double
    package let supervisedTokenCount: Int
    /// Of a mixture of experts: the routers' loss over all rows with the adapter, and what it is multiplied with in
    /// `auxiliary.SITE.A` and `.B`.
    package let auxiliaryLoss: (value: Double, coefficient: Double)?
    /// `row.N.logits` [T, V], `row.N.logprobs` [T−1], `adapted.row.N.logits`, `gradient.SITE.A` and `gradient.SITE.B`.
    package let expected: [String: ReferenceTensor]

    /// Reads a model by name, one of `Fixtures.modelNames` or `Fixtures.familyNames`.
    package init(_ name: String) throws(Failure) {
        self.name = name
        directory = Fixtures.modelsDirectory + "/" + name
        let document = try Fixtures.json(directory + "/expected.json")
        func ids(_ row: JSONValue, _ key: String) -> [Int32] {
            (row[key]?.array ?? []).compactMap { $0.integer.map { Int32($0) } }
        }
        rows = (document["rows"]?.array ?? []).map { ReferenceRow(ids: ids($0, "ids"), labels: ids($0, "labels")) }
        loss = document["loss"]?.double ?? .nan
        adaptedLoss = document["adapted_loss"]?.double ?? .nan
        supervisedTokenCount = document["supervised_tokens"]?.integer ?? 0
        auxiliaryLoss = document["auxiliary_loss"]?.double.flatMap { value in
            document["auxiliary_coefficient"]?.double.map { (value, $0) }
        }
        expected = try Fixtures.tensors(directory + "/expected.safetensors")
    }
}
