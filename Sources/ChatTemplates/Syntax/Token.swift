/// A piece of a template's source.
struct Token {
    enum Kind: Equatable {
        /// Text between tags.
        case data([UInt32])
        case blockBegin, blockEnd, variableBegin, variableEnd
        case name(String)
        case string([UInt32])
        case integer(Int)
        /// An integer beyond 64 bits.
        case digits(String)
        case float(Double)
        case symbol(String)
        case end
    }

    let kind: Kind
    /// Index of its first scalar in the source.
    let offset: Int

    /// How messages show it.
    var text: String {
        switch kind {
        case .data: "text"
        case .blockBegin: "'{%'"
        case .blockEnd: "'%}'"
        case .variableBegin: "'{{'"
        case .variableEnd: "'}}'"
        case .name(let name): "'\(name)'"
        case .string: "a string"
        case .integer, .digits, .float: "a number"
        case .symbol(let symbol): "'\(symbol)'"
        case .end: "the end of the template"
        }
    }
}
