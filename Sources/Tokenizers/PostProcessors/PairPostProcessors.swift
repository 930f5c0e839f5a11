internal import System

/// One token before and one after a text, as BERT has them.
struct BertPostProcessor: PostProcessor {
    static let typeName = "BertProcessing"
    let prefix: [Int32]
    let suffix: [Int32]

    init(_ source: ComponentSource) throws(Failure) {
        prefix = [try source.tokenID("cls")]
        suffix = [try source.tokenID("sep")]
    }
}

/// The same as RoBERTa has them; its switches change offsets only.
struct RobertaPostProcessor: PostProcessor {
    static let typeName = "RobertaProcessing"
    let prefix: [Int32]
    let suffix: [Int32]

    init(_ source: ComponentSource) throws(Failure) {
        prefix = [try source.tokenID("cls")]
        suffix = [try source.tokenID("sep")]
    }
}

extension ComponentSource {
    /// The id in `["token", id]`.
    fileprivate func tokenID(_ key: String) throws(Failure) -> Int32 {
        let values = try array(key)
        guard values.count == 2, values[0].string != nil, let id = values[1].integer.flatMap({ Int32(exactly: $0) }),
            id >= 0
        else { throw failure(.badData, "[\"token\", id] is expected", key: key) }
        return id
    }
}
