internal import System

/// The tokens of a model: text to id and back, in two arenas.
struct Vocabulary: Sendable {
    /// Most tokens a file may have, added ones included.
    static let largestCount = 2_000_000

    private var ids = ByteTable()
    private var arena: [UInt8] = []
    /// Where the text of each id begins and ends in the arena; -1 for an id without a token.
    private var starts: [Int] = []
    private var ends: [Int] = []

    /// One more than the largest id.
    var idEnd: Int { starts.count }
    /// Number of ids with a token.
    private(set) var count = 0

    init() {}

    /// Reads `{"token": id, …}`.
    ///
    /// - Throws: `Failure` of kind `badData` naming the token: an id that is no integer of at least 0, that another token
    ///   has, or that is so far beyond the number of tokens that it would size tables.
    init(_ object: JSONObject, source: ComponentSource) throws(Failure) {
        guard object.count <= Self.largestCount else {
            throw source.failure(
                .badData, "has \(object.count) tokens; at most \(Self.largestCount) are expected", key: "vocab")
        }
        let largestID = 2 * object.count + 10_000
        for member in object.members {
            guard let id = member.value.integer, id >= 0 else {
                throw source.failure(
                    .badData,
                    "the token \"\(member.key)\" has \(member.value.kindName) as id, not an integer of at least 0",
                    key: "vocab")
            }
            guard id < largestID else {
                throw source.failure(
                    .badData,
                    "the token \"\(member.key)\" has id \(id) in a vocabulary of \(object.count); ids below \(largestID) are expected",
                    key: "vocab")
            }
            if let other = text(Int32(id)) {
                throw source.failure(
                    .badData, "the tokens \"\(other)\" and \"\(member.key)\" have the same id \(id)", key: "vocab")
            }
            var key = member.key
            key.withUTF8 { insert($0, id: Int32(id)) }
        }
    }

    /// The id of an unknown token that a model cannot do without.
    func unknownID(_ token: String, source: ComponentSource) throws(Failure) -> Int32 {
        guard let id = id(Array(token.utf8)) else {
            throw source.failure(.badData, "\"\(token)\" is not in the vocabulary", key: "unk_token")
        }
        return id
    }

    /// The ids of the tokens `<0x00>` to `<0xFF>`, -1 where there is none.
    func byteTokens() -> [Int32] {
        (0...255).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return id(Array("<0x\(digits.count < 2 ? "0" : "")\(digits)>".utf8)) ?? -1
        }
    }

    /// Adds a token under an id that is free; of two ids with the same text the later is found by it.
    mutating func insert(_ token: UnsafeBufferPointer<UInt8>, id: Int32) {
        let index = Int(id)
        while starts.count <= index {
            starts.append(-1)
            ends.append(-1)
        }
        starts[index] = arena.count
        arena.append(contentsOf: token)
        ends[index] = arena.count
        ids.set(token, value: id)
        count += 1
    }

    mutating func insert(_ token: [UInt8], id: Int32) { token.withUnsafeBufferPointer { insert($0, id: id) } }

    func id(_ token: UnsafeBufferPointer<UInt8>) -> Int32? { ids.find(token) }
    func id(_ token: [UInt8]) -> Int32? { ids.find(token) }

    /// The text of a token, nil for an id without one.
    func bytes(_ id: Int32) -> ArraySlice<UInt8>? {
        guard id >= 0, Int(id) < starts.count, starts[Int(id)] >= 0 else { return nil }
        return arena[starts[Int(id)]..<ends[Int(id)]]
    }

    func text(_ id: Int32) -> String? { bytes(id).map { String(decoding: $0, as: UTF8.self) } }
}
