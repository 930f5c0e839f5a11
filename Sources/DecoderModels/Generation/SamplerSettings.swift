package import System

/// How the next token is chosen from the model's logits. The fields mean what they mean in transformers.
package struct SamplerSettings: Sendable, Equatable {
    /// Scores are divided by it; 0 takes the most likely token always (greedy).
    package var temperature = 0.0
    /// Only the tokens with the k largest scores, ties with the last of them included; 0 takes all.
    package var topK = 0
    /// Only the most likely tokens whose probabilities before the next one sum to less than this; 1 takes all.
    package var topP = 1.0
    /// Only tokens at least this share as likely as the most likely one; 0 takes all.
    package var minP = 0.0
    /// Scores of tokens that have occurred are divided by it where positive, multiplied where negative; 1 is none.
    package var repetitionPenalty = 1.0
    package var seed: UInt64 = 42
    /// Ids that end the text.
    package var stopIDs: Set<Int32> = []

    package init() {}

    /// Reads a `generation_config.json`, with the defaults of transformers v5: greedy unless `do_sample` is true;
    /// temperature 1 and top-k 50 where they are not given.
    ///
    /// - Throws: `badData` naming the field for a value of a wrong kind, and what `validate` throws.
    package init(generationConfiguration object: JSONObject, file: String) throws(Failure) {
        func value(_ key: String) -> JSONValue? { object[key].flatMap { $0.isNull ? nil : $0 } }
        func failure(_ key: String, _ expected: String, _ value: JSONValue) -> Failure {
            Failure(
                .badData, "\(value.kindName) was found where \(expected) is expected", at: .init(file: file, field: key)
            )
        }
        func number(_ key: String, _ standard: Double) throws(Failure) -> Double {
            guard let value = value(key) else { return standard }
            guard let number = value.double else { throw failure(key, "a number", value) }
            return number
        }
        let doSample = value("do_sample")
        guard doSample == nil || doSample?.bool != nil else {
            throw failure("do_sample", "true or false", doSample ?? .null)
        }
        let isSampling = doSample?.bool == true
        temperature = isSampling ? try number("temperature", 1) : 0
        if let value = value("top_k") {
            guard let integer = value.integer else { throw failure("top_k", "an integer", value) }
            topK = integer
        } else {
            topK = 50
        }
        topP = try number("top_p", 1)
        minP = try number("min_p", 0)
        repetitionPenalty = try number("repetition_penalty", 1)
        if let value = value("eos_token_id") {
            for element in value.array ?? [value] {
                guard let id = element.integer.flatMap(Int32.init(exactly:)), id >= 0 else {
                    throw failure("eos_token_id", "a token id", element)
                }
                stopIDs.insert(id)
            }
        }
        do throws(Failure) { try validate() } catch {
            throw Failure(.badData, error.what, at: .init(file: file), remedy: error.remedy)
        }
    }

    /// Checks the ranges.
    ///
    /// - Throws: `usage` naming the option, its value and what is expected.
    package func validate() throws(Failure) {
        guard temperature >= 0, temperature.isFinite else {
            throw Failure(.usage, "the temperature is \(temperature): 0 or more is expected")
        }
        guard topK >= 0 else { throw Failure(.usage, "top-k is \(topK): 0 (all tokens) or more is expected") }
        guard topP >= 0, topP <= 1 else { throw Failure(.usage, "top-p is \(topP): from 0 to 1 is expected") }
        guard minP >= 0, minP <= 1 else { throw Failure(.usage, "min-p is \(minP): from 0 to 1 is expected") }
        guard repetitionPenalty > 0, repetitionPenalty.isFinite else {
            throw Failure(.usage, "the repetition penalty is \(repetitionPenalty): a number above 0 is expected")
        }
    }
}
