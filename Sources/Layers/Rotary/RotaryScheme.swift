package import System

/// How one kind of rotary embedding chooses its frequencies: a file for each kind and a line in `RotarySchemes.all`.
///
/// Rotary position embedding: Su et al. 2021; frequencies 1 / base^(2i / D).
package protocol RotaryScheme: Sendable {
    /// The `rope_type` of a config.json.
    static var name: String { get }

    /// Reads what the kind needs.
    init(_ parameters: RotaryParameters) throws(Failure)

    /// Whether frequencies depend on the length of the sequence they are used in.
    var dependsOnLength: Bool { get }

    /// The frequencies [D / 2] for a sequence of `length` tokens, in float32 as the reference computes them.
    func inverseFrequencies(length: Int) -> [Float]
}

/// The kinds of rotary embedding this program knows.
package enum RotarySchemes {
    package static let all: [any RotaryScheme.Type] = [
        DefaultRotary.self,
        LinearRotary.self,
        DynamicRotary.self,
        Llama3Rotary.self,
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
    /// The object the remaining fields stand in, and its name for messages.
    package let fields: JSONObject
    package let file: String
    package let path: String

    package init(
        kind: String, base: Double, width: Int, maximumPositions: Int, fields: JSONObject, file: String, path: String
    ) {
        self.kind = kind
        self.base = base
        self.width = width
        self.maximumPositions = maximumPositions
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

    /// base^(−2i / D) in float32: the exponent is rounded to float32 first, as the reference does.
    package func plainFrequencies(base: Double? = nil) -> [Float] {
        let base = base ?? self.base
        return (0..<width / 2).map { index in
            let exponent = Float(2 * index) / Float(width)
            return 1 / Float(power(base, Double(exponent)))
        }
    }
}
