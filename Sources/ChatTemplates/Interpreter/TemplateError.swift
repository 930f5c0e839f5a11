internal import System

/// What stops a template: thrown without a place deep in the library, given the place of the innermost construct on
/// its way out, and turned into a `Failure` at the end.
struct TemplateError: Error {
    var kind: Failure.Kind
    var what: String
    var remedy: String?
    /// Index of the scalar of the template's source at which the construct begins.
    var offset: Int?

    init(_ what: String, kind: Failure.Kind = .badData, at offset: Int? = nil, remedy: String? = nil) {
        self.kind = kind
        self.what = what
        self.offset = offset
        self.remedy = remedy
    }

    /// The same error at a place, where none is known yet.
    func at(_ offset: Int) -> TemplateError {
        var copy = self
        if copy.offset == nil { copy.offset = offset }
        return copy
    }

    /// The failure with line and column of the source.
    func failure(in source: [UInt32], named name: String) -> Failure {
        var place = Failure.Place(file: name)
        if let offset {
            var line = 1, column = 1
            for unit in source.prefix(offset) {
                column = unit == 0x0A ? 1 : column + 1
                line += unit == 0x0A ? 1 : 0
            }
            place.line = line
            place.column = column
        }
        return Failure(kind, what, at: place, remedy: remedy)
    }

    /// What a construct that this interpreter does not know comes to.
    static func unsupported(_ what: String, at offset: Int? = nil, remedy: String? = nil) -> TemplateError {
        TemplateError(
            what, kind: .unsupported, at: offset,
            remedy: remedy
                ?? "Name a template without it with --chat-template, or give the rows as prompt and completion with --raw"
        )
    }
}
