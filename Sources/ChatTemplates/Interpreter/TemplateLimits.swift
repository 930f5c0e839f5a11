/// What a template may use up while it renders, whoever wrote it.
package struct TemplateLimits: Sendable {
    /// Steps: each construct that is evaluated, and each 512 scalars or 2 elements that one of them handles.
    package var stepCount = 1_000_000
    /// UTF-8 bytes of the rendered text, and scalars of any text on the way.
    package var textLength = 4 << 20
    /// Numbers that `range` gives.
    package var rangeCount = 10_000
    /// Macros that call each other.
    package var callDepth = 64
    /// Constructs inside each other while they are evaluated.
    package var evaluationDepth = 600
    /// Lists and objects inside each other.
    static let valueDepth = 96
    /// Constructs inside each other in the source.
    static let syntaxDepth = 100
    /// Operators in a chain in the source.
    static let expressionDepth = 200
    /// Bytes of a template.
    package static let sourceByteCount = 1 << 20

    package init() {}
}
