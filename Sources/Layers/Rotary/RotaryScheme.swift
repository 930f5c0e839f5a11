package import System

/// How one kind of rotary embedding chooses its frequencies: a file for each kind and a line in `RotarySchemes.all`.
///
/// Rotary position embedding: Su et al. 2021; frequencies 1 / base^(2i / D).
package protocol RotaryScheme: Sendable {
    /// The `rope_type` of a config.json.
    static var name: String { get }

    /// Reads what the kind needs.
    init(_ parameters: RotaryParameters) throws(Failure)

    /// Which set of frequencies a sequence of `length` tokens uses: lengths with the same number share one. 0 for the set
    /// of short sequences, which is the only one of most kinds.
    func frequencySet(length: Int) -> Int

    /// What cosines and sines are multiplied with: the kind's scaling of attention scores, its square root.
    var attentionScaling: Float { get }

    /// The frequencies [D / 2] for a sequence of `length` tokens, in float32 as the reference computes them.
    func inverseFrequencies(length: Int) -> [Float]
}

extension RotaryScheme {
    package func frequencySet(length: Int) -> Int { 0 }
    package var attentionScaling: Float { 1 }
}

/// The kinds of rotary embedding this program knows.
package enum RotarySchemes {
    package static let all: [any RotaryScheme.Type] = [
        DefaultRotary.self,
        LinearRotary.self,
        DynamicRotary.self,
        Llama3Rotary.self,
        YarnRotary.self,
        LongRotary.self,
    ]

    /// The scheme a configuration names.
    package static func scheme(for parameters: RotaryParameters) throws(Failure) -> any RotaryScheme {
        for kind in all where kind.name == parameters.kind { return try kind.init(parameters) }
        throw Failure(
            .unsupported, "the rotary embedding \"\(parameters.kind)\" is not supported",
            at: parameters.place("rope_type"),
            remedy: "Supported are \(all.map { $0.name }.joined(separator: ", "))")
    }
}

/// The rotary fields of a config.json, in either spelling.
package struct RotaryParameters: Sendable {
    /// `rope_type`: `default`, `linear`, ….
    package let kind: String
    /// `rope_theta`.
    package let base: Double
    /// Rotated channels of a head, even.
    package let width: Int
    /// `max_position_embeddings`.
    package let maximumPositions: Int
    /// `original_max_position_embeddings` beside the other fields of the model, which precedes that among `fields`.
    package let originalPositions: Int?
    /// The object the remaining fields stand in, and its name for messages.
    package let fields: JSONObject
    package let file: String
    package let path: String

    package init(
        kind: String, base: Double, width: Int, maximumPositions: Int, originalPositions: Int? = nil,
        fields: JSONObject, file: String, path: String
    ) {
        self.kind = kind
        self.base = base
        self.width = width
        self.maximumPositions = maximumPositions
        self.originalPositions = originalPositions
        self.fields = fields
        self.file = file
        self.path = path
    }

    package func place(_ key: String) -> Failure.Place { Failure.Place(file: file, field: "\(path).\(key)") }

    /// A finite positive number that the kind cannot do without.
    package func positive(_ key: String) throws(Failure) -> Double {
        guard let value = fields[key]?.double, value.isFinite, value > 0 else {
            throw Failure(
                .badData, "the rotary embedding \"\(kind)\" needs a positive number \"\(key)\"", at: place(key),
                remedy: "Restore the field from the original config.json")
        }
        return value
    }

    /// A finite positive number; nil where the field is absent or null.
    package func optionalPositive(_ key: String) throws(Failure) -> Double? {
        guard let value = fields[key], !value.isNull else { return nil }
        return try positive(key)
    }

    /// Numbers that are all finite and positive, one for each pair of rotated channels.
    package func factors(_ key: String) throws(Failure) -> [Float] {
        let numbers = fields[key]?.array?.compactMap(\.double).filter { $0.isFinite && $0 > 0 } ?? []
        guard numbers.count == width / 2, fields[key]?.array?.count == numbers.count else {
            throw Failure(
                .badData, "the rotary embedding \"\(kind)\" needs a list \"\(key)\" of \(width / 2) positive numbers",
                at: place(key), remedy: "Restore the field from the original config.json")
        }
        return numbers.map { Float($0) }
    }

    /// Positions the model was trained with before its context was extended: as transformers 5 finds them, the model's
    /// field, that of the embedding, `max_position_embeddings`.
    package func trainedPositions() throws(Failure) -> Double {
        if let originalPositions { return Double(originalPositions) }
        return try optionalPositive("original_max_position_embeddings") ?? Double(maximumPositions)
    }

    /// The factor by which the context was extended: `factor`, else the ratio of positions now and before.
    package func extensionFactor() throws(Failure) -> Double {
        if let factor = try optionalPositive("factor") { return factor }
        return try Double(maximumPositions) / trainedPositions()
    }

    /// base^(−2i / D) in float32: the exponent is rounded to float32 first, as the reference does.
    package func plainFrequencies(base: Double? = nil) -> [Float] {
        let base = base ?? self.base
        return (0..<width / 2).map { index in
            let exponent = Float(2 * index) / Float(width)
            return 1 / Float(power(base, Double(exponent)))
        }
    }
}
