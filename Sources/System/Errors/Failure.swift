/// What went wrong with something a person gave us or asked for: one paragraph that says what, where, and what to do.
///
/// Everything that can be caused from outside (a file, an option, a full disk) is thrown as a `Failure`;
/// a broken invariant of the program is a `fatalError` with a sentence.
public struct Failure: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure, each with the exit status of the command-line contract.
    public enum Kind: Sendable, Equatable {
        /// Wrong usage: an option or its value.
        case usage
        /// Bad data: a file that does not parse or contradicts itself.
        case badData
        /// An input that is missing.
        case inputMissing
        /// Something asked for that is not supported; the message names it.
        case unsupported
        /// A defect of this program.
        case internalError
        /// Output that cannot be created: not writable, in use, or not empty.
        case cannotCreate
        /// Input or output error: disk full, a base that became unreadable.
        case inputOutput
        /// Stopped early by a limit or a request; resumable.
        case stoppedEarly
        /// Interrupted by a signal.
        case interrupted(signal: Int32)

        /// The process exit status, from the command-line contract.
        public var exitStatus: Int32 {
            switch self {
            case .usage: 64
            case .badData: 65
            case .inputMissing: 66
            case .unsupported: 69
            case .internalError: 70
            case .cannotCreate: 73
            case .inputOutput: 74
            case .stoppedEarly: 75
            case .interrupted(let signal): 128 + signal
            }
        }
    }

    /// Where it went wrong; every field that is known is printed.
    public struct Place: Sendable, Equatable {
        public var file: String?
        public var tensor: String?
        /// Offset in bytes from the start of the file.
        public var byteOffset: Int?
        /// 1-based line.
        public var line: Int?
        /// 1-based column, in Unicode scalars.
        public var column: Int?
        /// The key or column of the field, `a.b[2]` style.
        public var field: String?

        public init(
            file: String? = nil, tensor: String? = nil, byteOffset: Int? = nil, line: Int? = nil, column: Int? = nil,
            field: String? = nil
        ) {
            self.file = file
            self.tensor = tensor
            self.byteOffset = byteOffset
            self.line = line
            self.column = column
            self.field = field
        }

        /// `file:line:column: tensor "t", field "f", byte 12`, with the parts that are known.
        public var text: String {
            var location = file ?? ""
            if let line { location += location.isEmpty ? "line \(line)" : ":\(line)" }
            if let column { location += line == nil ? "" : ":\(column)" }
            var details: [String] = []
            if let tensor { details.append("tensor \"\(tensor)\"") }
            if let field { details.append("field \"\(field)\"") }
            if let byteOffset { details.append("byte \(byteOffset)") }
            if location.isEmpty { return details.joined(separator: ", ") }
            return details.isEmpty ? location : "\(location): \(details.joined(separator: ", "))"
        }
    }

    public var kind: Kind
    /// What was found and what was expected, a sentence without a final full stop.
    public var what: String
    public var place: Place
    /// What to do about it, a sentence without a final full stop.
    public var remedy: String?

    public init(_ kind: Kind, _ what: String, at place: Place = Place(), remedy: String? = nil) {
        self.kind = kind
        self.what = what
        self.place = place
        self.remedy = remedy
    }

    /// The paragraph: `place: what. remedy.`
    public var description: String {
        let location = place.text
        var paragraph = location.isEmpty ? "\(what)." : "\(location): \(what)."
        if let remedy { paragraph += " \(remedy)." }
        return paragraph
    }

    /// The same failure with the file named, where it was not known deeper down.
    public func inFile(_ file: String) -> Failure {
        var copy = self
        if copy.place.file == nil { copy.place.file = file }
        return copy
    }
}
