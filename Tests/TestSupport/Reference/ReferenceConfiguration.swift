internal import Glibc
package import System

/// What the scalar reference knows about a decoder of the Llama kind: its sizes and its rotary embedding.
package struct ReferenceConfiguration: Sendable {
    /// How rotary frequencies are scaled; the formulas are those of transformers' `modeling_rope_utils.py`.
    package enum RotaryScaling: Sendable {
        case none
        case linear(factor: Double)
        /// NTK scaling by the length of the row.
        case dynamic(factor: Double)
        case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalLength: Double)
    }

    package var vocabularySize: Int
    package var width: Int
    package var layerCount: Int
    package var queryHeadCount: Int
    package var keyValueHeadCount: Int
    package var headWidth: Int
    package var feedForwardWidth: Int
    package var normEpsilon: Double
    package var rotaryBase: Double
    package var rotaryScaling: RotaryScaling
    /// `max_position_embeddings`: only dynamic scaling uses it.
    package var positionCount: Int
    package var tiedHead: Bool

    package init(
        vocabularySize: Int, width: Int, layerCount: Int, queryHeadCount: Int, keyValueHeadCount: Int, headWidth: Int,
        feedForwardWidth: Int, normEpsilon: Double = 1e-5, rotaryBase: Double = 10_000,
        rotaryScaling: RotaryScaling = .none, positionCount: Int = 2048, tiedHead: Bool = false
    ) {
        self.vocabularySize = vocabularySize
        self.width = width
        self.layerCount = layerCount
        self.queryHeadCount = queryHeadCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headWidth = headWidth
        self.feedForwardWidth = feedForwardWidth
        self.normEpsilon = normEpsilon
        self.rotaryBase = rotaryBase
        self.rotaryScaling = rotaryScaling
        self.positionCount = positionCount
        self.tiedHead = tiedHead
    }

    /// Reads a `config.json` of `model_type` llama or qwen2 in the spelling of transformers v4 or v5.
    ///
    /// - Throws: `Failure` naming the field that is missing or not understood.
    package init(json: JSONValue) throws(Failure) {
        func number(_ object: JSONValue, _ key: String) throws(Failure) -> Double {
            guard let value = object[key]?.double else {
                throw Failure(.badData, "a number is expected", at: .init(field: key))
            }
            return value
        }
        func integer(_ key: String) throws(Failure) -> Int { Int(try number(json, key)) }

        vocabularySize = try integer("vocab_size")
        width = try integer("hidden_size")
        layerCount = try integer("num_hidden_layers")
        queryHeadCount = try integer("num_attention_heads")
        keyValueHeadCount = json["num_key_value_heads"]?.integer ?? queryHeadCount
        headWidth = json["head_dim"]?.integer ?? width / queryHeadCount
        feedForwardWidth = try integer("intermediate_size")
        normEpsilon = try number(json, "rms_norm_eps")
        positionCount = try integer("max_position_embeddings")
        tiedHead = json["tie_word_embeddings"]?.bool ?? false
        let parameters = json["rope_parameters"] ?? json["rope_scaling"] ?? .null
        rotaryBase = parameters["rope_theta"]?.double ?? json["rope_theta"]?.double ?? 10_000
        switch parameters["rope_type"]?.string ?? parameters["type"]?.string ?? "default" {
        case "default": rotaryScaling = .none
        case "linear": rotaryScaling = .linear(factor: try number(parameters, "factor"))
        case "dynamic": rotaryScaling = .dynamic(factor: try number(parameters, "factor"))
        case "llama3":
            rotaryScaling = .llama3(
                factor: try number(parameters, "factor"),
                lowFrequencyFactor: try number(parameters, "low_freq_factor"),
                highFrequencyFactor: try number(parameters, "high_freq_factor"),
                originalLength: try number(parameters, "original_max_position_embeddings"))
        case let other: throw Failure(.unsupported, "rope type \"\(other)\"", at: .init(field: "rope_type"))
        }
    }

    /// Angle per position of each pair of channels, `headWidth / 2` numbers, for a row of `length` tokens.
    ///
    /// Rounded to float32, as the definition in transformers has them.
    package func reciprocalFrequencies(rowLength length: Int) -> [Double] {
        let dimension = Double(headWidth)
        var base = rotaryBase
        if case .dynamic(let factor) = rotaryScaling {
            let positions = Double(positionCount)
            let longest = Double(max(length, positionCount))
            base *= pow(factor * longest / positions - (factor - 1), dimension / (dimension - 2))
        }
        return (0..<headWidth / 2).map { pair in
            var frequency = 1 / pow(base, Double(2 * pair) / dimension)
            switch rotaryScaling {
            case .none, .dynamic: break
            case .linear(let factor): frequency /= factor
            case .llama3(let factor, let low, let high, let original):
                let waveLength = 2 * Double.pi / frequency
                if waveLength > original / low {
                    frequency /= factor
                } else if waveLength >= original / high {
                    let share = (original / waveLength - low) / (high - low)
                    frequency = (1 - share) * frequency / factor + share * frequency
                }
            }
            return Double(Float(frequency))
        }
    }
}
